// The settings that clients of the console are told of and may ask for.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ringfence::proxy {

// ParameterStatus messages for the greeting.
void append_console_settings(std::string& out, std::string_view user, std::string_view application_name);
// `name` in small letters. Nothing: there is no such setting.
std::optional<std::string> console_setting(std::string_view name, std::string_view user,
                                           std::string_view application_name);
// Texts are UTF-8, whatever a client asks for. `encoding` is a name of that.
bool is_console_encoding(std::string_view encoding);

}  // namespace ringfence::proxy
