#include "ringfence/control/trail_questions.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "ringfence/model/json.h"

namespace ringfence::control {

using audit::Tag;
using audit::TrailPart;
using audit::TrailReader;
using audit::TrailRequest;
using model::Json;

namespace {

// What was looked at, in the trail.
std::string_view entity_of(TrailPart part) {
  switch (part) {
    case TrailPart::queries: return "query";
    case TrailPart::events: return "audit_event";
    case TrailPart::connections: break;
  }
  return "connection";
}

audit::EventBuilder view_of(TrailPart part, const Actor& actor) {
  audit::EventBuilder out =
      new_event("VIEW", audit::Severity::info, audit::Outcome::success, audit::Category::audit);
  out.text(Tag::user_name, actor.name)
      .text(Tag::auth_method, actor.method)
      .text(Tag::client_addr, actor.client_addr)
      .text(Tag::entity_type, entity_of(part));
  return out;
}

Answer problem_of(const Error& error) {
  switch (error.fault) {
    case Fault::malformed: return invalid({}, error.message);
    case Fault::limit: return refusal(Answer::Kind::conflict, error.message);
    default: return unavailable(error.message);
  }
}

}  // namespace

void TrailQuestions::serve(std::string reader_dsn) {
  dsn_ = std::move(reader_dsn);
  serves_ = true;
}

void TrailQuestions::list(TrailRequest request, Actor actor, Done done) {
  Json asked = {{"limit", request.limit}};
  for (const auto& [name, value] : request.filters) asked[name] = value;
  if (!request.cursor.empty()) asked["is_next_page"] = true;
  audit::EventBuilder viewed = view_of(request.part, actor);
  viewed.text(Tag::metadata, model::canonical_json(asked));
  const Reading reading = [request = std::move(request)](TrailReader& reader) -> Result<Answer> {
    auto page = reader.page(request);
    if (!page) return unexpected(std::move(page.error()));
    Answer out;
    out.body = std::move(*page);
    return out;
  };
  ask(reading, std::move(viewed), std::move(done));
}

void TrailQuestions::read(TrailPart part, Uuid id, Actor actor, Done done) {
  audit::EventBuilder viewed = view_of(part, actor);
  viewed.text(Tag::entity_id, to_string(id));
  const Reading reading = [part, id](TrailReader& reader) -> Result<Answer> {
    auto one = reader.one(part, id);
    if (!one) return unexpected(std::move(one.error()));
    if (!*one)
      return refusal(Answer::Kind::not_found, "the trail has no such " + std::string(entity_of(part)));
    Answer out;
    out.body = std::move(**one);
    return out;
  };
  ask(reading, std::move(viewed), std::move(done));
}

// On the worker's thread. A connection that broke since the last question is made anew, once.
Answer TrailQuestions::answer(const Reading& reading) {
  for (const bool may_try_again : {true, false}) {
    const bool was_open = reader_ && reader_->is_open();
    if (!was_open) {
      auto opened = TrailReader::open(dsn_);
      if (!opened) return unavailable(opened.error().message);
      reader_ = std::move(*opened);
    }
    Result<Answer> read = reading(*reader_);
    if (read) return std::move(*read);
    const bool is_broken = !reader_->is_open();
    if (!is_broken || !was_open || !may_try_again) return problem_of(read.error());
  }
  return unavailable("the store does not answer");
}

// Nobody reads the trail without a record of it: what finds no room is not answered.
void TrailQuestions::ask(Reading reading, audit::EventBuilder viewed, Done done) {
  if (is_closed_ || !serves_) {
    done(unavailable(is_closed_ ? "the appliance is shutting down" : "the appliance is starting"));
    return;
  }
  const bool is_taken = worker_.post([this, reading = std::move(reading), viewed, done] {
    Answer made = is_closed_ ? unavailable("the appliance is shutting down") : answer(reading);
    home_.deliver([this, viewed, done, made = std::move(made)]() mutable {
      const bool is_shown = made.kind == Answer::Kind::ok;
      if (is_shown && !events_.publish(viewed))
        made = unavailable("the trail has no room for the record of this reading");
      done(std::move(made));
    });
  });
  if (!is_taken) done(unavailable("too many questions to the trail wait for an answer; try again"));
}

}  // namespace ringfence::control
