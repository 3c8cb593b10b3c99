#include "endpoint.h"

#include <curl/curl.h>

#include <memory>

#include "ringfence/model/text_rules.h"

namespace ringfence::client {

namespace {

using Url = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

// Empty where the URL has no such part.
std::string part_of(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, 0) != CURLUE_OK || text == nullptr) return {};
  std::string out = text;
  curl_free(text);
  return out;
}

bool is_this_machine(std::string host) {
  if (host == "localhost") return true;
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  // "127.0.0.1.example.org" only begins like an address.
  return model::check_ip(host).empty() && model::is_loopback(host);
}

}  // namespace

Outcome<std::string> checked_url(const std::string& text, bool allows_plain_http) {
  const std::string form = "; write it as https://HOST:PORT";
  const Url url(curl_url(), curl_url_cleanup);
  if (!url) return failed(Exit::refused, "no memory for the URL");
  if (text.find("://") == std::string::npos)
    return failed(Exit::usage, "the URL \"" + text + "\" has no scheme" + form);
  if (curl_url_set(url.get(), CURLUPART_URL, text.c_str(), CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
    return failed(Exit::usage, "\"" + text + "\" is no URL" + form);
  const std::string scheme = part_of(url.get(), CURLUPART_SCHEME);
  if (scheme != "https" && scheme != "http")
    return failed(Exit::usage, "the URL's scheme is \"" + scheme + "\"" + form);
  for (const CURLUPart part : {CURLUPART_USER, CURLUPART_PASSWORD}) {
    // The text may hold a password: it is not repeated.
    if (!part_of(url.get(), part).empty())
      return failed(Exit::usage, "the URL holds a user or a password; use --user and --password-stdin");
  }
  if (!part_of(url.get(), CURLUPART_QUERY).empty() || !part_of(url.get(), CURLUPART_FRAGMENT).empty())
    return failed(Exit::usage, "the URL has a query or a fragment" + form);
  const std::string host = part_of(url.get(), CURLUPART_HOST);
  if (scheme == "http" && !allows_plain_http && !is_this_machine(host))
    return failed(Exit::usage, "plain http to " + host +
                                   " shows the key to everybody on the way; use https, or say "
                                   "--insecure-http where the way is protected otherwise");
  std::string out = part_of(url.get(), CURLUPART_URL);
  while (out.ends_with('/')) out.pop_back();
  return out;
}

}  // namespace ringfence::client
