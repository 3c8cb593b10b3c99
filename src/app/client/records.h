// What the commands of a noun do: list, show, create, update, delete. They know a noun by its fields alone.
#pragma once

#include <string>
#include <vector>

#include "listing.h"
#include "ringfence/model/noun.h"

namespace ringfence::client {

// A field that is given and never shown; its text never stands on the command line.
struct SecretOption {
  const model::Field* field = nullptr;
  bool is_asked = false;  // On the terminal.
  bool is_read = false;   // A line of standard input.
};

struct WriteOptions {
  std::vector<std::string> words;  // "FIELD=VALUE"; of a new record with a name, the name stands first.
  std::string file;                // A record as JSON; "-": standard input. Words win.
  std::vector<SecretOption> secrets;
  int64_t version = 0;  // Of a change or deletion: only this version; 0: any.
};

struct DeleteOptions {
  std::vector<std::string> ids;
  bool is_agreed = false;
  int64_t version = 0;
};

struct PasswordOptions {
  std::string user;  // Empty: one's own.
  bool is_read = false;
  bool must_change = false;
};

// "access request"
std::string words_of(const model::Noun& noun);
// The noun's usual columns, and all of them.
std::vector<std::string> usual_columns(const model::Noun& noun);
std::vector<std::string> all_columns(const model::Noun& noun);

Outcome<void> list_records(const CommonOptions& common, const model::Noun& noun, const ListOptions& options);
Outcome<void> show_record(const CommonOptions& common, const model::Noun& noun, const std::string& id);
Outcome<void> create_record(const CommonOptions& common, const model::Noun& noun,
                            const WriteOptions& options);
Outcome<void> update_record(const CommonOptions& common, const model::Noun& noun, const std::string& id,
                            const WriteOptions& options);
Outcome<void> delete_records(const CommonOptions& common, const model::Noun& noun,
                             const DeleteOptions& options);
// By the password that is current; keys may not.
Outcome<void> change_own_password(const Endpoint& endpoint, const std::string& user,
                                  const model::Secret& current, const model::Secret& wanted);
Outcome<void> set_password(const CommonOptions& common, const PasswordOptions& options);

}  // namespace ringfence::client
