#include "ringfence/net/memory_stream.h"

#include <algorithm>
#include <cerrno>

namespace ringfence::net {

// One direction: bytes on their way, and whether their sender has ended.
struct Pipe {
  std::string bytes;
  bool ended = false;
};

class MemoryStream final : public Stream, public ring::ChunkOwner {
 public:
  MemoryStream(MemoryNetwork& network, std::shared_ptr<Pipe> in, std::shared_ptr<Pipe> out, size_t piece_max)
      : network_(network), in_(std::move(in)), out_(std::move(out)), piece_max_(piece_max) {}
  ~MemoryStream() override {
    RINGFENCE_ASSERT(receive_ == nullptr && send_ == nullptr);
    *alive_ = false;
    out_->ended = true;
    wake_peer();
  }

  void connect(MemoryStream& peer) {
    peer_ = &peer;
    peer_alive_ = peer.alive_;
  }
  void shutdown() override {
    is_shut_ = true;
    out_->ended = true;
    schedule_receive();
    wake_peer();
  }
  void shutdown_write() override {
    out_->ended = true;
    wake_peer();
  }
  void cancel_receive() override {
    if (receive_ == nullptr || scheduled_) return;
    is_cancelled_ = scheduled_ = true;
    network_.ready_.push_back([this] { deliver(); });
  }
  std::string peer() const override { return "memory"; }
  // All, some or nothing, as a socket's buffer would have it; for a few bytes there is always room.
  size_t try_send(ByteView bytes, bool) override {
    bool lost = is_shut_ || (peer_alive_ && !*peer_alive_) || out_->ended;
    if (lost || send_ != nullptr || bytes.empty()) return 0;
    bool takes_all = bytes.size() < 64 || network_.random_() % 2 == 0;
    size_t size = takes_all ? bytes.size() : network_.random_() % (bytes.size() + 1);
    out_->bytes.append(bytes.substr(0, size));
    if (size > 0) wake_peer();
    return size;
  }

  void release(uint32_t id) override { pieces_[id].clear(); }

 protected:
  void begin_receive(Receive& receive) override {
    RINGFENCE_ASSERT(receive_ == nullptr);
    receive_ = &receive;
    schedule_receive();
  }
  void redirect_receive(Receive& receive) override { receive_ = &receive; }
  void begin_send(Send& send, ByteView bytes) override {
    RINGFENCE_ASSERT(send_ == nullptr);
    send_ = &send;
    network_.ready_.push_back([this, bytes] {
      bool lost = is_shut_ || (peer_alive_ && !*peer_alive_) || out_->ended;
      if (!lost) out_->bytes.append(bytes);
      wake_peer();
      // May destroy this.
      std::exchange(send_, nullptr)->complete(lost ? EPIPE : 0);
    });
  }

  void send_moved(Send& to) override { send_ = &to; }

 private:
  void wake_peer() {
    if (peer_alive_ && *peer_alive_) peer_->schedule_receive();
  }
  void schedule_receive() {
    if (receive_ == nullptr || scheduled_) return;
    if (!is_shut_ && in_->bytes.empty() && !in_->ended) return;
    scheduled_ = true;
    network_.ready_.push_back([this] { deliver(); });
  }
  void deliver() {
    scheduled_ = false;
    Receive* receive = std::exchange(receive_, nullptr);
    bool was_cancelled = std::exchange(is_cancelled_, false);
    if (is_shut_ || in_->bytes.empty()) {
      receive->complete(Chunk(), was_cancelled && !is_shut_ && !in_->ended ? ECANCELED : 0);
      return;
    }
    size_t size = in_->bytes.size();
    if (piece_max_ > 0) size = std::min(size, 1 + network_.random_() % piece_max_);
    auto id = static_cast<uint32_t>(pieces_.size());
    for (uint32_t i = 0; i < pieces_.size(); ++i) {
      if (pieces_[i].empty()) id = i;
    }
    if (id == pieces_.size()) pieces_.emplace_back();
    // A string of exactly this size, so that the address sanitizer sees a read past its end.
    pieces_[id].assign(in_->bytes.begin(), in_->bytes.begin() + static_cast<std::ptrdiff_t>(size));
    in_->bytes.erase(0, size);
    receive->complete(Chunk(ByteView(pieces_[id].data(), pieces_[id].size()), this, id), 0);
  }

  MemoryNetwork& network_;
  std::shared_ptr<Pipe> in_;
  std::shared_ptr<Pipe> out_;
  size_t piece_max_;
  MemoryStream* peer_ = nullptr;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::shared_ptr<bool> peer_alive_;
  Receive* receive_ = nullptr;
  Send* send_ = nullptr;
  bool scheduled_ = false;
  bool is_shut_ = false;
  bool is_cancelled_ = false;
  std::deque<std::vector<char>> pieces_;
};

MemoryNetwork::Pair MemoryNetwork::make_pair(size_t piece_max) {
  auto there = std::make_shared<Pipe>();
  auto back = std::make_shared<Pipe>();
  auto left = std::make_unique<MemoryStream>(*this, back, there, piece_max);
  auto right = std::make_unique<MemoryStream>(*this, there, back, piece_max);
  left->connect(*right);
  right->connect(*left);
  return {std::move(left), std::move(right)};
}

bool MemoryNetwork::step() {
  if (ready_.empty()) return false;
  size_t pick = random_() % ready_.size();
  std::swap(ready_[pick], ready_.back());
  auto next = std::move(ready_.back());
  ready_.pop_back();
  next();
  return true;
}

bool MemoryNetwork::run(size_t steps_max) {
  for (size_t i = 0; i < steps_max; ++i) {
    if (!step()) return true;
  }
  return false;
}

}  // namespace ringfence::net
