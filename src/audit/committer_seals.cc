// The committer's part that is about what the node seals and signs.
#include <algorithm>

#include "audit/committer.h"
#include "ringfence/base/clock.h"
#include "ringfence/base/log.h"

namespace ringfence::audit {
namespace {}  // namespace

Result<void> Committer::take_sealed(const StoreSession::State& state, const OpenSet& open) {
  sealed_.checkpoints = state.checkpoints;
  sealed_.head = state.head;
  sealed_.writer_next_seq = state.writer_next_seq;
  sealed_.open = open;
  seal_ = state.seal;
  if (seal_.empty() && sealed_.is_initial()) return {};
  if (seal_ == crypto::view_of(sealer_.state(sealed_))) return {};
  return fail(Fault::denied,
              "the checkpoint of node " + options_.node + " was changed while the appliance started");
}

Result<void> Committer::take_anchors() {
  auto head = heads_.read(sealer_);
  if (!head) return unexpected(std::move(head.error()));
  const SignedHead signed_head = head->value_or(SignedHead{});
  auto last = last_anchor(session_->connection(), options_.node, signed_head, key_.public_key);
  if (!last) return unexpected(std::move(last.error()));
  last_anchor_ = *last;
  accepted_to_ = signed_head.accepted_to;
  auto acceptance = read_acceptance(options_.claim.state_directory);
  if (!acceptance) return unexpected(std::move(acceptance.error()));
  acceptance_.reset();
  if (*acceptance && (*acceptance)->is_taken()) acceptance_ = std::move(*acceptance);
  return {};
}

void Committer::told() {
  auto ended = end_acceptance(options_.claim.state_directory);
  if (!ended)
    log_warning("the acceptance of the store is told again at the next start",
                {{"error", ended.error().message}});
}

void Committer::anchor(uint64_t now, bool now_please) {
  if (head_.chain_no == anchored_ || !session_) return;
  if (!now_please && anchor_ns_ != 0 && now - anchor_ns_ < options_.anchor_ms * ns_per_ms) return;
  anchor_ns_ = now;
  StoreWait waiting(control_);
  auto done = anchor_head();
  if (done) return;
  is_anchor_in_doubt_ = true;
  log_warning("anchor not written", {{"error", done.error().message}});
  if (!session_->connection().is_open()) close();
}

Result<void> Committer::anchor_head() {
  if (is_anchor_in_doubt_) {
    const SignedHead known{last_anchor_.chain_no, {}, last_anchor_.anchor_no, last_anchor_.digest, 0};
    auto last = last_anchor(session_->connection(), options_.node, known, key_.public_key);
    if (!last) return unexpected(std::move(last.error()));
    last_anchor_ = *last;
    is_anchor_in_doubt_ = false;
  }
  auto done = session_->write_anchor(key_, head_, wall_us(), last_anchor_);
  if (!done) return unexpected(std::move(done.error()));
  anchored_ = head_.chain_no;
  // What stands there may be an earlier life's, which was killed before it could keep it.
  if (!*done && last_anchor_.chain_no != head_.chain_no) {
    log_warning("an anchor that is not this appliance's stands in the place of the next one",
                {{"chain_no", std::to_string(head_.chain_no)}});
    return {};
  }
  // Behind the commit: what this file has, the store has.
  auto kept = heads_.write(
      sealer_, {head_.chain_no, head_.hash, last_anchor_.anchor_no, last_anchor_.digest, accepted_to_});
  if (!kept)
    log_warning("the signed head is not kept in the state directory", {{"error", kept.error().message}});
  if (*done) control_.update([](WriterStatus& status) { ++status.anchors; });
  return {};
}

// What the batch's seal is about, but for the head.
void Committer::seal(BatchWrite& write) {
  write.sealed = sealed_;
  write.sealed.writer_next_seq = write.writer_next_seq;
  for (const CheckpointMove& move : write.moves) {
    auto same = [&](const Checkpoint& checkpoint) { return checkpoint.shard == move.shard; };
    auto at = std::find_if(write.sealed.checkpoints.begin(), write.sealed.checkpoints.end(), same);
    Checkpoint moved{move.shard, move.new_position, move.next_seq, move.told};
    if (at != write.sealed.checkpoints.end()) *at = moved;
    else write.sealed.checkpoints.push_back(moved);
  }
  for (const OpenDelete& gone : write.open_deletes) {
    if (!gone.is_sealed) continue;
    write.sealed.open.remove(sealer_.mark(gone.shard, gone.seq, gone.is_written));
  }
  for (const OpenInsert& opened : write.open_inserts) {
    write.sealed.open.add(
        sealer_.mark(OpenStarts::shard_of(opened.key), OpenStarts::seq_of(opened.key), opened.is_written));
  }
}

}  // namespace ringfence::audit
