// From a request to a response: the routing table, who may, and what each route says. Knows no connection.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ask.h"
#include "ringfence/admin/server.h"

namespace ringfence::admin {

class Routes {
 public:
  Routes(ring::Shard& shard, const AdminOptions& options, const Sources& sources, AdminCounters& counters)
      : shard_(shard), options_(options), sources_(sources), counters_(counters) {}

  // Both arguments live until the task has ended. For HEAD the response is GET's.
  ring::Task<http::Response> answer(const http::Request& request, const std::string& client_addr);

  // How many connections are open, for /metrics.
  size_t connections = 0;
  // Requests that wait for what others have to say.
  Asks asks;

 private:
  enum class Access : uint8_t { open, token, metrics };
  struct Call {
    const http::Request& request;
    const std::string& client_addr;
    std::vector<std::string> captured;  // What stood in place of each {…}, decoded.
  };
  using Handler = ring::Task<http::Response> (Routes::*)(const Call&);
  struct Route {
    std::string_view method;
    std::string_view pattern;
    Access access;
    std::vector<std::string_view> parameters;
    Handler handler;
  };
  static const std::vector<Route>& table();
  static bool matches(std::string_view pattern, std::string_view path, std::vector<std::string>& captured);

  bool is_authenticated(const http::Request& request, const std::string& client_addr);
  http::Response refuse_token() const;

  ring::Task<http::Response> health(const Call& call);
  ring::Task<http::Response> readiness(const Call& call);
  ring::Task<http::Response> metrics(const Call& call);
  ring::Task<http::Response> stats(const Call& call);
  ring::Task<http::Response> version(const Call& call);
  ring::Task<http::Response> sessions(const Call& call);
  ring::Task<http::Response> session(const Call& call);
  ring::Task<http::Response> end_session(const Call& call);
  ring::Task<http::Response> explain(const Call& call);
  http::Response late(std::string_view who = "the data shards");

  ring::Shard& shard_;
  const AdminOptions& options_;
  const Sources& sources_;
  AdminCounters& counters_;
};

}  // namespace ringfence::admin
