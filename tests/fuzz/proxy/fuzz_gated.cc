// Bytes of both directions into a Conversation whose statements are decided: read-only, with a whitelist.
// Input as that of fuzz_conversation.cc. What waits for an answer is shown again when the server has said
// more.
#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "proxy/pg/conversation.h"
#include "record_space.h"
#include "ringfence/sql/analyze.h"

using namespace ringfence;
using namespace ringfence::proxy;
using fuzz::must;

namespace {

std::shared_ptr<const policy::PolicySet> readers() {
  policy::Policy policy;
  policy.name = "fuzz";
  policy.roles = {{"*", ""}};
  policy.whitelist.emplace();
  for (const char* pattern : {"^select", "^begin", "drop"}) policy.whitelist->push_back({pattern, ""});
  std::vector<policy::Problem> problems;
  auto set = policy::PolicySet::compile({policy}, problems);
  must(set != nullptr, "the policy was not compiled");
  return set;
}

// Both directions of one session.
class Session {
 public:
  Session(fuzz::Ground& ground, std::shared_ptr<StatementJudge> judge)
      : ground_(ground),
        conversation_(ground.recorder, ground.pools, ground.counters, ground.limits,
                      std::make_unique<Gate>(std::move(judge), "nonce")) {}

  void client(ByteView bytes) {
    if (is_over_ || waiting_) return;  // Whoever waits is not read from.
    waiting_.emplace(bytes.begin(), bytes.end());
    at_ = 0;
    go_on();
  }
  void server(ByteView bytes) {
    if (is_over_) return;
    // A copy of exactly this size, so that the address sanitizer sees a read past its end.
    const std::vector<char> chunk(bytes.begin(), bytes.end());
    const ByteView view(chunk.data(), chunk.size());
    size_t at = 0;
    Advance advance;
    while ((advance = conversation_.server().advance(view, at, now())) == Advance::wait_trail)
      ground_.make_room();
    must(at <= view.size(), "read past the server's chunk");
    if (advance != Advance::all) is_over_ = true;
    else conversation_.server().to_client(view);
    if (waiting_ && conversation_.client().is_clear()) go_on();
  }
  void end() {
    conversation_.abandon(now());
    ground_.make_room();
    must(conversation_.queue().is_empty(), "abandon left something open");
  }

 private:
  Now now() {
    now_ = {now_.ns + 1000, now_.us + 1};
    return now_;
  }
  void go_on() {
    while (!is_over_) {
      const ByteView view(waiting_->data(), waiting_->size());
      const Advance advance = conversation_.client().advance(view, at_, now());
      must(at_ <= view.size(), "read past the client's chunk");
      switch (advance) {
        case Advance::all:
          conversation_.client().to_server(view);
          waiting_.reset();
          return;
        case Advance::wait_trail:
          must(ground_.space.is_full, "waits though there is room");
          ground_.make_room();
          break;
        case Advance::wait_analysis:
          conversation_.waiting().analysed(sql::analyze(conversation_.waiting().text_to_analyse()));
          break;
        case Advance::wait_answer:
        case Advance::wait_queue:
          conversation_.client().to_server_so_far(view);
          if (!conversation_.client().is_clear()) return;
          break;
        default: is_over_ = true;
      }
    }
  }

  fuzz::Ground& ground_;
  Conversation conversation_;
  std::optional<std::vector<char>> waiting_;
  size_t at_ = 0;
  Now now_{1000, 1};
  bool is_over_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::shared_ptr<const policy::PolicySet> policies = readers();
  JudgeSpace judge_space(HashKey{1, 7});
  fuzz::Ground ground(8192);
  {
    Session session(ground, std::make_shared<StatementJudge>(policies->access({}, {}), policy::SessionFacts{},
                                                             judge_space));
    Reader in(ByteView(reinterpret_cast<const char*>(data), size));
    while (in.remaining() >= 2) {
      uint16_t head = in.u16();
      ground.space.is_full = (head & 2) != 0;
      ByteView view = in.bytes(std::min<size_t>(in.remaining(), head >> 2));
      if ((head & 1) != 0) session.client(view);
      else session.server(view);
    }
    session.end();
  }
  ground.must_be_whole();
  return 0;
}
