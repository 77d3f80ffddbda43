# SPDX-License-Identifier: Apache-2.0
# Accounts for a throwaway cluster: a MariaDB that listens at a socket alone, and slurmdbd. Sourced by cluster.

write_slurmdbd_conf() {
  install -m 600 /dev/null "$dir/slurmdbd.conf"
  cat >"$dir/slurmdbd.conf" <<CONF
AuthType=auth/munge
AuthInfo=socket=$dir/run/munge.sock
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort=$1
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=slurm_acct_db
LogFile=$dir/log/slurmdbd.log
PidFile=$dir/run/slurmdbd.pid
DebugLevel=info
$slurmdbd_lines
CONF
}

# It need not outlive a crash of the machine, so that nothing waits for a disk.
database_start() {
  install -d -m 700 "$dir/db"
  mariadb-install-db --no-defaults --datadir="$dir/db" --user=root --skip-test-db \
    --auth-root-authentication-method=socket >"$dir/log/mariadb-install.out" 2>&1 || return 1
  start mariadbd mariadbd --no-defaults --user=root --datadir="$dir/db" --socket="$dir/run/db.sock" \
    --skip-networking --pid-file="$dir/run/mariadbd.pid" --innodb-flush-log-at-trx-commit=0 \
    --innodb-buffer-pool-size=32M --innodb-log-file-size=8M
  poll 10 mariadb-admin --no-defaults --socket="$dir/run/db.sock" ping >/dev/null 2>&1
}

# slurmdbd has no setting for the database's socket.
slurmdbd_start() {
  start slurmdbd env MYSQL_UNIX_PORT="$dir/run/db.sock" slurmdbd -D
  poll 20 slurmdbd_listens
}

slurmdbd_listens() {
  local port
  port=$(sed -n 's/^DbdPort=//p' "$dir/slurmdbd.conf")
  (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null
}

accounting_start() {
  database_start && slurmdbd_start
}
