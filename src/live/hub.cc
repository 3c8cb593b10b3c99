#include "ringfence/live/hub.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "inbox.h"

namespace ringfence::live {

namespace {
// Until a shard whose mailbox was full is told again.
constexpr auto retell_after = std::chrono::milliseconds(5);
}  // namespace

// A copy of what the writer showed.
struct Hub::Batch {
  struct Row {
    uint64_t chain_no;
    size_t end;  // In `bytes`; it begins where the one before ends.
  };
  uint64_t number = 0;
  uint64_t recorded_at_us = 0;
  std::string bytes;
  std::vector<Row> rows;
  uint64_t left_out = 0;  // In place of rows: so many events found no room.
};

struct Hub::State {
  explicit State(HubOptions bounds) : options(bounds) {}

  void run();
  void share(const Batch& batch);
  std::vector<std::shared_ptr<Subscription::Inbox>> open_inboxes();
  bool tell_all();

  const HubOptions options;
  std::atomic<bool> has_subscribers{false};
  std::atomic<uint64_t> delivered{0};
  std::atomic<uint64_t> left_out_queue{0};
  std::atomic<uint64_t> left_out_inboxes{0};

  // Held for a few instructions by everybody: the writer's copy is made outside.
  std::mutex lock;
  std::condition_variable has_work;
  std::deque<std::unique_ptr<Batch>> queue;
  size_t queue_bytes = 0;
  uint64_t next_number = 1;
  bool is_ending = false;
  std::vector<std::weak_ptr<Subscription::Inbox>> inboxes;

  std::thread thread;
};

Hub::Hub(HubOptions options) : state_(std::make_shared<State>(options)) {
  state_->thread = std::thread([state = state_.get()] { state->run(); });
}

Hub::~Hub() {
  {
    std::lock_guard guard(state_->lock);
    state_->is_ending = true;
  }
  state_->has_work.notify_one();
  state_->thread.join();
}

void Hub::committed(const audit::CommittedBatch& batch) {
  State& state = *state_;
  if (!state.has_subscribers.load(std::memory_order_acquire)) return;
  size_t size = 0;
  for (const audit::CommittedRow& row : batch.rows) size += row.fields.size();
  auto copy = std::make_unique<Batch>();
  bool is_left_out = false;
  {
    // Nobody else adds, so that room does not go away until the copy is made.
    std::lock_guard guard(state.lock);
    const bool has_room = state.queue.size() < state.options.queue_batches_max &&
                          state.queue_bytes + size <= state.options.queue_bytes_max;
    if (!has_room) {
      copy->left_out = batch.rows.size();
      copy->number = state.next_number++;
      state.left_out_queue.fetch_add(copy->left_out, std::memory_order_relaxed);
      // Gaps that stand together are one, so that they do not fill the memory instead.
      const bool joins = !state.queue.empty() && state.queue.back()->left_out > 0;
      if (joins) {
        state.queue.back()->left_out += copy->left_out;
        state.queue.back()->number = copy->number;
      } else {
        state.queue.push_back(std::move(copy));
      }
      is_left_out = true;
    }
  }
  if (is_left_out) {
    state.has_work.notify_one();
    return;
  }
  copy->recorded_at_us = batch.recorded_at;
  copy->bytes.reserve(size);
  copy->rows.reserve(batch.rows.size());
  for (const audit::CommittedRow& row : batch.rows) {
    copy->bytes.append(row.fields);
    copy->rows.push_back({row.chain_no, copy->bytes.size()});
  }
  {
    std::lock_guard guard(state.lock);
    copy->number = state.next_number++;
    state.queue_bytes += size;
    state.queue.push_back(std::move(copy));
  }
  state.has_work.notify_one();
}

std::unique_ptr<Subscription> Hub::subscribe(ring::Shard& shard, Filter filter, std::function<void()> on_news,
                                             InboxLimits limits) {
  State& state = *state_;
  std::lock_guard guard(state.lock);
  auto inbox = std::make_shared<Subscription::Inbox>(shard, std::move(filter), limits, state.next_number);
  inbox->on_news = std::move(on_news);
  std::erase_if(state.inboxes, [](const auto& other) { return other.expired(); });
  state.inboxes.push_back(inbox);
  state.has_subscribers.store(true, std::memory_order_release);
  return std::unique_ptr<Subscription>(new Subscription(std::move(inbox)));
}

HubCounters Hub::counters() const {
  HubCounters out;
  out.delivered = state_->delivered.load(std::memory_order_relaxed);
  out.left_out_queue = state_->left_out_queue.load(std::memory_order_relaxed);
  out.left_out_inboxes = state_->left_out_inboxes.load(std::memory_order_relaxed);
  std::lock_guard guard(state_->lock);
  for (const auto& inbox : state_->inboxes) out.subscribers += inbox.expired() ? 0 : 1;
  return out;
}

std::vector<std::shared_ptr<Subscription::Inbox>> Hub::State::open_inboxes() {
  std::vector<std::shared_ptr<Subscription::Inbox>> out;
  std::lock_guard guard(lock);
  std::erase_if(inboxes, [](const auto& inbox) { return inbox.expired(); });
  for (const auto& inbox : inboxes) {
    if (auto open = inbox.lock()) out.push_back(std::move(open));
  }
  if (inboxes.empty()) has_subscribers.store(false, std::memory_order_release);
  return out;
}

// False: a shard could not be told yet.
bool Hub::State::tell_all() {
  bool are_all_told = true;
  for (const auto& inbox : open_inboxes()) are_all_told = inbox->tell() && are_all_told;
  return are_all_told;
}

void Hub::State::run() {
  bool are_all_told = true;
  std::unique_lock guard(lock);
  for (;;) {
    const auto wakes = [this] { return is_ending || !queue.empty(); };
    if (are_all_told) has_work.wait(guard, wakes);
    else has_work.wait_for(guard, retell_after, wakes);
    if (is_ending) return;
    std::unique_ptr<Batch> batch;
    if (!queue.empty()) {
      batch = std::move(queue.front());
      queue.pop_front();
    }
    guard.unlock();
    if (batch) share(*batch);
    are_all_told = tell_all();
    guard.lock();
    // Its bytes are in memory until here.
    if (batch) queue_bytes -= batch->bytes.size();
  }
}

void Hub::State::share(const Batch& batch) {
  auto all = open_inboxes();
  std::erase_if(all, [&](const auto& inbox) { return inbox->first_batch > batch.number; });
  if (batch.left_out > 0) {
    for (const auto& inbox : all) inbox->put_gap(batch.left_out);
    return;
  }
  size_t begin = 0;
  for (const Batch::Row& row : batch.rows) {
    if (all.empty()) return;
    const EventView view =
        view_of(row.chain_no, batch.recorded_at_us, ByteView(batch.bytes).substr(begin, row.end - begin));
    begin = row.end;
    EventPtr event;
    for (const auto& inbox : all) {
      if (!inbox->filter.matches(view)) continue;
      if (!event) event = std::make_shared<const Event>(view);
      (inbox->put(event) ? delivered : left_out_inboxes).fetch_add(1, std::memory_order_relaxed);
    }
  }
}

}  // namespace ringfence::live
