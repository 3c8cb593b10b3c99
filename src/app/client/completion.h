// Scripts that complete the command line in a shell, made from the tree of commands.
#pragma once

#include <string>

#include "command_tree.h"

namespace ringfence::client {

std::string bash_completion(const CommandTree& tree);
std::string zsh_completion(const CommandTree& tree);

}  // namespace ringfence::client
