// What belongs to the store's URL and the node's name.
#pragma once

#include <string>
#include <string_view>

namespace ringfence::app {

// postgres:// or postgresql://. What is wrong and what to do, or an empty text.
std::string check_store_url(std::string_view url);
// The URL without its password, for people.
std::string without_password(std::string_view url);
// The machine's name with whatever a node's name may not hold replaced by `-`.
std::string default_node_name();

}  // namespace ringfence::app
