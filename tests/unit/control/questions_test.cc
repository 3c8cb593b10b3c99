// Questions about policies with an answerer of the test's: when they are answered, and what is recorded.
#include "ringfence/control/questions.h"

#include <doctest/doctest.h>

#include <future>
#include <optional>
#include <thread>

#include "proxy/vector_space.h"

using namespace ringfence;
using namespace ringfence::control;

namespace {

struct QuestionsWorld {
  QuestionsWorld() : home({}) {}
  void ask(const std::string& question) {
    questions.ask(question, "root", [this](PolicyAnswer answer) { answers.push_back(std::move(answer)); });
  }
  // Until so many answers are there.
  void wait_for(size_t count) {
    for (int i = 0; i < 10'000 && answers.size() < count; ++i) {
      home.turn_at(1);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    REQUIRE(answers.size() == count);
  }
  Answered answer(const proxy::Snapshot& snapshot, const std::string& question, const std::string& by) {
    if (is_blocked.valid()) is_blocked.wait();
    if (question == "?") return {{PolicyAnswer::Kind::malformed, "no question"}, {}};
    audit::EventBuilder told = new_event("permission_check", audit::Severity::info, audit::Outcome::success,
                                         audit::Category::authorization);
    told.text(audit::Tag::user_name, by);
    return {{PolicyAnswer::Kind::answered, question + " by " + std::to_string(snapshot.generation)}, told};
  }
  void use(uint64_t generation) {
    auto made = std::make_shared<proxy::Snapshot>();
    made->generation = generation;
    questions.use(made);
  }

  ring::Shard home;
  proxy::VectorSpace trail;
  Events events{[this] { return &trail; }};
  std::shared_future<void> is_blocked;
  std::vector<PolicyAnswer> answers;
  Questions questions{home, events, [this](const auto& snapshot, const auto& question, const auto& by) {
                        return answer(snapshot, question, by);
                      }};
};

}  // namespace

TEST_CASE("a question is answered by the snapshot in force, and the trail says who asked") {
  QuestionsWorld world;
  world.use(7);
  world.ask("a");
  world.wait_for(1);
  world.use(8);
  world.ask("b");
  world.wait_for(2);
  CHECK(world.answers[0].text == "a by 7");
  CHECK(world.answers[1].text == "b by 8");
  REQUIRE(world.trail.records.size() == 2);
  CHECK(world.trail.records[0][audit::Tag::action] == "permission_check");
  CHECK(world.trail.records[0][audit::Tag::user_name] == "root");
}

TEST_CASE("of what is no question nothing is recorded") {
  QuestionsWorld world;
  world.use(1);
  world.ask("?");
  world.wait_for(1);
  CHECK(world.answers[0].kind == PolicyAnswer::Kind::malformed);
  CHECK(world.trail.records.empty());
}

TEST_CASE("before there is a snapshot, and after the end, questions are refused at once") {
  QuestionsWorld world;
  world.ask("a");
  REQUIRE(world.answers.size() == 1);
  CHECK(world.answers[0].text == "the appliance is starting");
  world.use(1);
  world.questions.close();
  world.ask("a");
  REQUIRE(world.answers.size() == 2);
  CHECK(world.answers[1].kind == PolicyAnswer::Kind::unavailable);
  CHECK(world.answers[1].text == "the appliance is shutting down");
  CHECK(world.trail.records.empty());
}

TEST_CASE("questions that wait are bounded, and refused when the end comes first") {
  QuestionsWorld world;
  world.use(1);
  std::promise<void> goes_on;
  world.is_blocked = goes_on.get_future().share();
  // One may be at work already.
  for (size_t i = 0; i < Questions::waiting_max + 2; ++i) world.ask("a");
  REQUIRE(!world.answers.empty());
  CHECK(world.answers.back().text == "too many questions wait for an answer; try again");
  world.questions.close();
  goes_on.set_value();
  world.wait_for(Questions::waiting_max + 2);
  CHECK(world.answers.back().text == "the appliance is shutting down");
}
