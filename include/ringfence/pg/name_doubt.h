// What may have changed a session's prepared statements and portals where no text of the client says so: a
// function that runs DEALLOCATE and PREPARE, a trigger, a DO block. What was made before such a thing is
// doubtful behind it.
//
// Times are stamps of a session's messages (PendingMessage::stamp), which rise. What is sent and what is
// answered each have a NameDoubt; the first is never less doubtful than the second.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace ringfence::pg {

// What a statement may run out of sight, from less to more.
enum class Unseen : uint8_t {
  none,
  ends,      // The end of a transaction: what was deferred there (constraint triggers).
  relation,  // What reading a relation runs, which may be a view.
  trigger,   // What writing runs.
  code,      // A function that is not known to be harmless, DO, CALL, or anything: what it runs is not known.
};

class NameDoubt {
 public:
  void note(Unseen what, uint64_t stamp) {
    if (what < Unseen::relation) return;
    for (size_t i = 0; i <= index(what); ++i) last_[i] = stamp;
  }
  // The most that may have changed what was made at that stamp; a stamp of 0 stands for before anything.
  Unseen since(uint64_t made_at) const {
    for (size_t i = last_.size(); i > 0; --i) {
      if (last_[i - 1] != 0 && last_[i - 1] >= made_at)
        return static_cast<Unseen>(i - 1 + static_cast<size_t>(Unseen::relation));
    }
    return made_at == 0 ? Unseen::trigger : Unseen::none;
  }
  bool any(Unseen at_least) const { return last_[index(at_least)] != 0; }

 private:
  static size_t index(Unseen what) {
    return static_cast<size_t>(what) - static_cast<size_t>(Unseen::relation);
  }
  std::array<uint64_t, 3> last_{};
};

}  // namespace ringfence::pg
