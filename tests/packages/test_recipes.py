# SPDX-License-Identifier: Apache-2.0
"""Recipe for Spack and playbook for Ansible: both can be read, and name what the packages and the build have."""

import ast
import re

from commands import need, run
from harness import PROJECT

RECIPE = PROJECT / "packaging/spack/package.py"
PLAYBOOK = PROJECT / "docs/ansible.yml"


def test_recipe_is_python_and_defines_only_options_of_the_build():
    tree = ast.parse(RECIPE.read_text())
    (recipe,) = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    assert recipe.name == "SlurmSecrets" and [base.id for base in recipe.bases] == ["CMakePackage"]
    cmake = "".join(path.read_text() for path in [PROJECT / "CMakeLists.txt", *PROJECT.glob("*/CMakeLists.txt")])
    options = re.findall(r'self\.define\("(\w+)"', RECIPE.read_text())
    assert len(options) >= 5
    for option in options:
        assert option in cmake or option in ("BUILD_TESTING", "CMAKE_DISABLE_FIND_PACKAGE_Java"), option


def test_recipe_has_the_version_of_the_project():
    version = re.search(r"^project\(slurm-secrets VERSION ([0-9.]+)", (PROJECT / "CMakeLists.txt").read_text(), re.MULTILINE)[1]
    text = RECIPE.read_text()
    assert f'version("{version}"' in text and f"slurm-secrets-{version}.tar.gz" in text


def test_playbook_is_accepted_by_ansible(tmp_path):
    need("ansible-playbook")
    (tmp_path / "hosts").write_text("[slurm_hub]\nhub\n[slurm_nodes]\nn1\n[slurm_submit]\nlogin\n")
    done = run("ansible-playbook", "-i", tmp_path / "hosts", "--syntax-check", PLAYBOOK, HOME=str(tmp_path))
    assert "WARNING" not in done.stderr + done.stdout, done.stderr
    hosts = run("ansible-playbook", "-i", tmp_path / "hosts", "--list-hosts", PLAYBOOK, HOME=str(tmp_path)).stdout
    assert "hosts (3)" in hosts


def test_playbook_never_restarts_agent_for_an_upgrade():
    tasks = re.split(r"^    - name: ", PLAYBOOK.read_text(), flags=re.MULTILINE)
    restarting = [task.splitlines()[0] for task in tasks if "notify: Restart the agent" in task]
    assert restarting == ["Write the agent's configuration, if it is valid",
                          "Give the agent of a node the network that it needs to reach the hub"]
