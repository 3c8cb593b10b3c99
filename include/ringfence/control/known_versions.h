// Which version of each record this node has seen last: what stops the store's owner from bringing an older
// row back, with the code that was right for it, or from taking a row away.
//
// Kept in the state directory: lines "<noun> <id> <version>", with " deleted" behind where the record was
// deleted, and after each batch "revision <number> <store id>". A batch that does not end with its line is
// none. Of one thread.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "ringfence/base/result.h"

namespace ringfence::control {

class KnownVersions {
 public:
  struct Known {
    int64_t version = 0;
    bool is_deleted = false;
  };
  struct Entry {
    std::string key;  // "<noun> <id>"
    Known known;
  };

  // What is not there yet is made with the first batch.
  static Result<KnownVersions> open(const std::string& path);
  ~KnownVersions();
  KnownVersions(KnownVersions&& other) noexcept;
  KnownVersions& operator=(KnownVersions&&) = delete;

  // Null: never seen.
  const Known* find(const std::string& key) const;
  const std::unordered_map<std::string, Known>& all() const { return known_; }
  int64_t revision() const { return revision_; }
  // Empty: no store has been seen.
  const std::string& store_id() const { return store_id_; }

  // On the disk when it returns. Versions only grow: what is older than known stays as it is.
  Result<void> add(const std::vector<Entry>& entries, int64_t revision, const std::string& store_id);

 private:
  explicit KnownVersions(std::string path) : path_(std::move(path)) {}
  std::string folder() const;
  std::string name() const;
  // The file to append to, in the place of the one that was open.
  Result<void> open_file();
  Result<void> load();
  // All that is known, in a new file in the place of the old one.
  Result<void> rewrite();

  std::string path_;
  int fd_ = -1;
  uint64_t lines_ = 0;  // In the file.
  std::unordered_map<std::string, Known> known_;
  int64_t revision_ = 0;
  std::string store_id_;
};

}  // namespace ringfence::control
