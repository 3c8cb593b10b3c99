// What a command line that cannot be understood has in the place of a command or an option.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace ringfence::app {

// "unknown command 'chek'; did you mean 'check'?" for the first word that is no command or option of those
// before it; empty when there is none, and something else is wrong.
std::string unknown_word(const CLI::App& app, int argc, const char* const* argv);

}  // namespace ringfence::app
