// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/base/unique_fd.h"
#include "ctl/io/secret_text.h"

namespace secrets::ctl {

/// Nextflow's store of secrets, which is read, and afterwards removed if the user wants that.
class StoreFile {
  public:
    /// Opens the file at `path`. With `removes`, everything that remove() needs is checked: it is a
    /// regular file of the caller's without another name, which can be written, in a directory from
    /// which it can be removed. Throws CommandError; then nothing has changed.
    StoreFile(std::string path, bool removes);

    SecretText read() const;

    /// Removes the file, and overwrites it. Throws CommandError, with what is left, if that fails,
    /// or if another file has its name by now, which stays as it is.
    void remove() const;

  private:
    std::string path_;
    std::string target_;  ///< the file itself, if the path is a symbolic link
    UniqueFd file_;
};

}  // namespace secrets::ctl
