// SPDX-License-Identifier: Apache-2.0
#pragma once
// The command line of sbatch, srun or salloc, read from the kernel: Slurm tells a plugin only its
// own options.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace secrets::spank {

/// Splits the arguments at the components of a heterogeneous job, which Slurm parses, and passes to
/// the plugin, one after the other. The destructor overwrites the copy.
class CommandLine {
  public:
    /// Reads this process's command line; it has no arguments if that fails.
    static CommandLine read();
    /// `bytes` holds the arguments, each followed by a NUL.
    explicit CommandLine(std::string bytes);
    CommandLine(CommandLine&&) = delete;
    ~CommandLine();

    const std::vector<std::string_view>& arguments() const { return arguments_; }

    /// Reports how far Slurm read the current component's options: getopt's `optind`, which counts
    /// from the component's begin. Must be called for each component.
    void set_parsed(int optind);

    /// Returns the options, and their values, of the current component. What follows them, such as
    /// a script and its arguments, is left out.
    std::span<const std::string_view> options() const;

    /// Returns the arguments of the components that follow the current one directly, as they do
    /// where no component has a command of its own. Those of the last one include the script and
    /// its arguments.
    std::vector<std::span<const std::string_view>> following() const;

    /// Continues with the next component, which may follow a command of the current one if
    /// `after_command`. A component that only the batch script names has the same options as the
    /// one before.
    void next_component(bool after_command);

  private:
    std::span<const std::string_view> up_to_colon(std::size_t begin) const;

    std::string bytes_;
    std::vector<std::string_view> arguments_;
    std::size_t begin_ = 0;  ///< the command's name, or the `:` before the component
    std::size_t end_ = 0;    ///< of the component's options
};

/// Returns whether the option `name` is among `options`, written in full or by a beginning of at
/// least `shortest` characters, which getopt accepts, too.
bool has_option(std::span<const std::string_view> options, std::string_view name,
                std::size_t shortest);

/// Returns the value of the option, written `--name=VALUE` or `--name VALUE`, where it is used
/// last; empty without one.
std::string_view option_value(std::span<const std::string_view> options, std::string_view name);

}  // namespace secrets::spank
