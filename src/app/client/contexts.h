// The contexts file: for each appliance that somebody has logged in to, its URL and the key for it.
//
// It is $XDG_CONFIG_HOME/ringfence/contexts.json, else ~/.config/ringfence/contexts.json: mode 0600, in a
// folder of mode 0700. A file that others may read is refused, because it holds keys.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "outcome.h"
#include "ringfence/model/json.h"
#include "ringfence/model/secret.h"

namespace ringfence::client {

struct SavedContext {
  std::string url;
  std::string ca_file;  // Absolute; empty: the machine's certificates.
  bool allows_plain_http = false;
  std::string user;  // For people.
  model::Secret key;
  std::string key_id;      // Of a key that login made; empty: the key was given, and logout leaves it.
  std::string expires_at;  // RFC 3339; empty: it does not expire, or that is not known.
};

struct Contexts {
  std::string current;  // Empty, or a name in `all`.
  std::map<std::string, SavedContext> all;
};

// Letters, digits, `.`, `_`, `-`; at most 63. Fails with the cure.
Outcome<void> check_context_name(const std::string& name);

// The bytes of the file, and what they say.
std::string contexts_text(const Contexts& contexts);
Outcome<Contexts> parse_contexts(ByteView text);

class ContextsFile {
 public:
  explicit ContextsFile(std::string directory) : directory_(std::move(directory)) {}
  // Of the user who runs this process. Fails where neither XDG_CONFIG_HOME nor HOME is an absolute path.
  static Outcome<ContextsFile> of_user();

  std::string path() const { return directory_ + "/contexts.json"; }
  // No file: no contexts.
  Outcome<Contexts> load() const;
  // Reads, changes and replaces the file; makes the folder. Two processes change it one after the other.
  Outcome<void> update(const std::function<void(Contexts&)>& change) const;

 private:
  Outcome<void> make_directory() const;

  std::string directory_;
};

}  // namespace ringfence::client
