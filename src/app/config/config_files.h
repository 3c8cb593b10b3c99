// The files that a configuration names for its secrets.
#pragma once

#include "config_reader.h"

namespace ringfence::app {

// A secret that a key gives directly or a `<key>_file` names. Nothing when neither is there or the file
// cannot be used; the latter is told as an error.
//
// A relative name is looked up in $CREDENTIALS_DIRECTORY (systemd's credentials) first, then beside the
// configuration file. One line end at the file's end is not part of the secret.
std::optional<Secret> read_secret(Section& section, std::string_view key, std::string_view file_key,
                                  Origin* where = nullptr);

// Where the name of a file leads, and whether systemd put it there.
std::string locate_file(const ReadContext& context, const std::string& name, bool* is_credential);

// The text of a whole file of at most `size_max` bytes.
Result<std::string> read_small_file(const std::string& path, size_t size_max);

// Whether people other than the owner may read the file.
bool is_open_to_others(const std::string& path);

}  // namespace ringfence::app
