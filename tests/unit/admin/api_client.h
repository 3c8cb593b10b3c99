// What clients of the admin API say and hear.
#pragma once

#include <nlohmann/json.hpp>

#include "fixture.h"
#include "ringfence/base/base64.h"
#include "ringfence/model/json.h"

namespace ringfence::admin {

using Json = model::Json;

inline const std::string me_path = "/api/v1/auth/me";
inline const std::string bearer = "Authorization: Bearer ";
inline std::string as_admin() { return bearer + token + "\r\n"; }
inline std::string basic(const std::string& user, const std::string& password) {
  return "Authorization: Basic " + base64_encode(user + ":" + password) + "\r\n";
}
// Of the response's head; empty: there is no such header.
inline std::string header_of(const std::string& response, const std::string& name) {
  const size_t at = response.find("\r\n" + name + ": ");
  if (at == std::string::npos || at > response.find("\r\n\r\n")) return "";
  const size_t begin = at + name.size() + 4;
  return response.substr(begin, response.find("\r\n", begin) - begin);
}
inline Json json_of(const std::string& response) {
  const Json out = Json::parse(body_of(response), nullptr, false);
  REQUIRE_MESSAGE(!out.is_discarded(), response);
  return out;
}
inline std::string request_of(const std::string& method, const std::string& path, const std::string& headers,
                              const std::string& body, const std::string& type = "application/json") {
  std::string text = method + " " + path + " HTTP/1.1\r\nHost: x\r\n" + headers;
  if (!body.empty())
    text += "Content-Type: " + type + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  return text + "\r\n" + body;
}

}  // namespace ringfence::admin
