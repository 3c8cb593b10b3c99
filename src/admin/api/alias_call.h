// One request at the path of an alias: turned into one of this API, answered there, and the answer turned
// back.
#pragma once

#include "alias_table.h"
#include "resources.h"

namespace ringfence::admin {

// What an alias leads to. It lives as long as the router.
struct AliasWay {
  Alias alias;
  Handler handler;
  bool is_list = false;
  bool has_body = false;
};

class AliasCall {
 public:
  // All of it outlives the answer.
  AliasCall(Resources& resources, const AliasWay& way, const Call& call)
      : resources_(resources), way_(way), call_(call), request_(call.request), captured_(call.captured) {}

  ring::Task<http::Response> answer();

 private:
  // Where a record's name or number stood, and who that is.
  struct Place {
    enum class In : uint8_t { path, body, query };
    In in = In::path;
    const FieldAlias* alias = nullptr;
    std::string which;
    size_t at = 0;  // In the query.
  };

  // False: `refusal_` is the answer.
  bool turn_query();
  bool turn_body();
  bool put(const Place& place, const model::Json& record);
  ring::Task<bool> find_places();
  ring::Task<std::optional<model::Json>> identify(std::vector<control::Called> called);
  ring::Task<NumbersByName> numbers_of(const model::Json& records);
  ring::Task<void> turn_answer(http::Response& response);
  void turn_problem(http::Response& response) const;
  void turn_location(http::Response& response, const model::Json& shown) const;
  std::string next_page(const std::string& cursor) const;
  void refuse(int status, std::string message, model::Defects defects = {});

  Resources& resources_;
  const AliasWay& way_;
  const Call& call_;
  http::Request request_;
  std::vector<std::string> captured_;
  std::vector<Place> places_;
  model::Json body_;
  http::Response refusal_;
};

}  // namespace ringfence::admin
