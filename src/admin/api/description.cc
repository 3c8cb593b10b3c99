// What the API can do, for programs and for people: /api/openapi.json, and a page that shows it.
#include <nlohmann/json.hpp>

#include "exchange.h"
#include "openapi.h"
#include "pages.h"
#include "resources.h"

namespace ringfence::admin {

using http::Response;
using ring::Task;

namespace {

// Made once: routes do not change when the server has begun.
Task<Response> document(const Resources& resources, std::string& made) {
  if (made.empty()) made = json_answer(200, openapi(resources.router.routes())).body;
  co_return http::json_response(200, made);
}

Task<Response> show(const Page& page) {
  Response out;
  out.content_type = page.media_type;
  out.body = page.text;
  // Nothing from elsewhere, and nothing within the page itself runs.
  out.headers.push_back({"Content-Security-Policy",
                         "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"});
  out.headers.push_back({"Referrer-Policy", "no-referrer"});
  co_return out;
}

void add_page(Router& router, const char* path, const char* name, const char* description) {
  const Page& shown = page(name);
  const std::string_view type = shown.media_type;
  router.add({.method = "GET",
              .pattern = path,
              .description = description,
              .admits = Admits::proven,
              .exchange = {.media_type = std::string(type.substr(0, type.find(';')))}},
             WholeHandler([&shown](const Call&) { return show(shown); }));
}

}  // namespace

void add_description(Router& router, Resources& resources) {
  router.add({.method = "GET",
              .pattern = "/api/openapi.json",
              .description = "This description (OpenAPI 3.1).",
              .admits = Admits::proven},
             WholeHandler([&resources, made = std::make_shared<std::string>()](const Call&) {
               return document(resources, *made);
             }));
  add_page(router, "/api/docs", "docs.html", "A page that shows this description and tries calls.");
  add_page(router, "/api/docs.js", "docs.js", "The script of the page.");
  add_page(router, "/api/docs.css", "docs.css", "The style of the page.");
}

}  // namespace ringfence::admin
