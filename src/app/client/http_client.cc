#include "http_client.h"

#include <curl/curl.h>

namespace ringfence::client {

namespace {

constexpr long connect_timeout_s = 10;

// What curl's callbacks fill.
struct Receiving {
  CURL* handle = nullptr;
  const HttpRequest* request = nullptr;
  HttpAnswer answer{};
  bool is_too_long = false;
};

size_t take_body(char* bytes, size_t size, size_t count, void* to) {
  auto& receiving = *static_cast<Receiving*>(to);
  const ByteView piece(bytes, size * count);
  curl_easy_getinfo(receiving.handle, CURLINFO_RESPONSE_CODE, &receiving.answer.status);
  if (receiving.request->sink && receiving.answer.is_success())
    return receiving.request->sink(piece) ? piece.size() : 0;
  if (receiving.answer.body.size() + piece.size() > receiving.request->bytes_max) {
    receiving.is_too_long = true;
    return 0;
  }
  receiving.answer.body.append(piece);
  return piece.size();
}

Failure failure_of(CURLcode code, const char* told, const Endpoint& endpoint) {
  const std::string reason = told[0] != '\0' ? told : curl_easy_strerror(code);
  const std::string what = endpoint.url + " does not answer: " + reason;
  switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
      return {Exit::unreachable, endpoint.url + " cannot prove who it is: " + reason +
                                     "; name its CA certificate with " + endpoint.ca_option + " FILE"};
    case CURLE_SSL_CACERT_BADFILE:
      return {Exit::usage, "the certificates in " + endpoint.ca_file + " cannot be read: " + reason};
    case CURLE_SSL_CONNECT_ERROR: return {Exit::unreachable, what + "; does it speak TLS at this port?"};
    case CURLE_OPERATION_TIMEDOUT:
      return {Exit::unreachable, what + "; --timeout SECONDS gives it more time"};
    default: return {Exit::unreachable, what + "; is the URL right, and does " + endpoint.peer + " run?"};
  }
}

}  // namespace

struct HttpClient::Handle {
  CURL* curl = curl_easy_init();
  char error[CURL_ERROR_SIZE] = {};
  curl_slist* headers = nullptr;

  ~Handle() {
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
  }
  template <typename T>
  void set(CURLoption option, T value) {
    curl_easy_setopt(curl, option, value);
  }
  void add_header(const std::string& line) { headers = curl_slist_append(headers, line.c_str()); }
  void prepare(const Endpoint& endpoint, const HttpRequest& request);
  void prove(const Credential& credential);
};

// Options are copied by curl, but for the body.
void HttpClient::Handle::prepare(const Endpoint& endpoint, const HttpRequest& request) {
  curl_easy_reset(curl);
  curl_slist_free_all(headers);
  headers = nullptr;
  error[0] = '\0';
  set(CURLOPT_ERRORBUFFER, error);
  set(CURLOPT_URL, (endpoint.url + request.path).c_str());
  set(CURLOPT_PATH_AS_IS, 1L);
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(CURLOPT_CONNECTTIMEOUT, connect_timeout_s);
  set(CURLOPT_TIMEOUT, static_cast<long>(endpoint.timeout_s));
  set(CURLOPT_USERAGENT, "ringfence/" RINGFENCE_VERSION);
  if (!endpoint.ca_file.empty()) {
    set(CURLOPT_CAINFO, endpoint.ca_file.c_str());
    set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));
  }
  // A proxy would read what is not encrypted.
  if (endpoint.url.starts_with("http:")) set(CURLOPT_PROXY, "");
  for (const std::string& line : request.headers) add_header(line);
  add_header("Accept: application/json");
  add_header("Expect:");  // The body goes with the request; nothing waits for "100 Continue".
  if (request.body) {
    add_header("Content-Type: application/json");
    set(CURLOPT_POSTFIELDS, request.body->c_str());
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body->size()));
  }
  if (request.method == "HEAD") set(CURLOPT_NOBODY, 1L);
  else set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
  set(CURLOPT_HTTPHEADER, headers);
}

void HttpClient::Handle::prove(const Credential& credential) {
  if (!credential.key.empty()) {
    const std::string key(credential.key.reveal());
    set(CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BEARER));
    set(CURLOPT_XOAUTH2_BEARER, key.c_str());
  } else if (!credential.user.empty()) {
    const std::string password(credential.password.reveal());
    set(CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BASIC));
    set(CURLOPT_USERNAME, credential.user.c_str());
    set(CURLOPT_PASSWORD, password.c_str());
  }
}

HttpClient::HttpClient(Endpoint endpoint, Credential credential)
    : endpoint_(std::move(endpoint)),
      credential_(std::move(credential)),
      handle_(std::make_unique<Handle>()) {}
HttpClient::~HttpClient() = default;

Outcome<HttpAnswer> HttpClient::send(const HttpRequest& request) {
  if (handle_->curl == nullptr) return failed(Exit::refused, "libcurl cannot be used on this machine");
  handle_->prepare(endpoint_, request);
  handle_->prove(credential_);
  Receiving receiving{.handle = handle_->curl, .request = &request};
  handle_->set(CURLOPT_WRITEFUNCTION, take_body);
  handle_->set(CURLOPT_WRITEDATA, &receiving);
  const CURLcode code = curl_easy_perform(handle_->curl);
  if (receiving.is_too_long)
    return failed(Exit::refused, "the answer of " + endpoint_.url + " is longer than " +
                                     std::to_string(request.bytes_max >> 20) + " MiB; ask for less");
  if (code != CURLE_OK) return passed_on(failure_of(code, handle_->error, endpoint_));
  curl_easy_getinfo(handle_->curl, CURLINFO_RESPONSE_CODE, &receiving.answer.status);
  return std::move(receiving.answer);
}

}  // namespace ringfence::client
