// A PostgreSQL client over TLS that only makes load: as many blocking connections as wanted, a thread each.
//
//   tls_load PORT starttls|direct query|copy|connect CLIENTS SECONDS USER PASSWORD DATABASE [SQL]
//
// starttls sends SSLRequest first, direct begins with TLS as PostgreSQL 17's clients can (for proxies that know TLS and
// not PostgreSQL). `query` runs the SQL again and again by the simple protocol, `copy` the same and counts bytes,
// `connect` makes a new connection with a full handshake and login each time. All offer one cipher,
// TLS_AES_128_GCM_SHA256, so that every proxy encrypts alike. Prints one line of JSON.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "ringfence/base/base64.h"
#include "ringfence/crypto/secret.h"
#include "ringfence/pg/messages.h"
#include "ringfence/pg/scram.h"
#include "ringfence/pg/startup.h"

using namespace ringfence;

namespace {

struct Options {
  uint16_t port = 0;
  bool direct = false;
  std::string user, password, database, sql;
};

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "tls_load: %s\n", why.c_str());
  std::exit(1);
}

// PBKDF2 is the client's work and none of the proxy's: once for each salt.
pg::ScramKeys keys_of(const std::string& password, const pg::ScramClient::Challenge& challenge) {
  static std::mutex mutex;
  static std::map<std::string, pg::ScramKeys> known;
  std::lock_guard lock(mutex);
  auto found = known.find(challenge.salt);
  if (found == known.end()) {
    found = known.emplace(challenge.salt, pg::derive_scram_keys(password, challenge.salt, challenge.iterations)).first;
  }
  return found->second;
}

class Client {
 public:
  Client(SSL_CTX* context, const Options& options) : options_(options) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(options.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) die("connect");
    int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (!options.direct) {
      std::string request;
      pg::append_ssl_request(request);
      char answer = 0;
      if (::write(fd_, request.data(), request.size()) < 0 || ::read(fd_, &answer, 1) != 1 || answer != 'S') die("no TLS");
    }
    ssl_ = SSL_new(context);
    SSL_set_fd(ssl_, fd_);
    if (SSL_connect(ssl_) != 1) die("handshake");
    log_in();
  }
  ~Client() {
    std::string goodbye;
    pg::append_terminate(goodbye);
    send(goodbye);
    SSL_shutdown(ssl_);
    SSL_free(ssl_);
    ::close(fd_);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Bytes up to ReadyForQuery.
  uint64_t run() {
    std::string query;
    pg::append_query(query, options_.sql);
    send(query);
    uint64_t total = 0;
    for (char type = 0; type != 'Z';) {
      type = next();
      total += body_size_;
      if (type == 'E') die("an error in place of an answer");
    }
    return total;
  }

 private:
  void send(const std::string& bytes) {
    if (SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())) <= 0) die("send");
  }
  void fill() {
    int got = SSL_read(ssl_, buffer_, sizeof buffer_);
    if (got <= 0) die("connection lost");
    at_ = 0;
    end_ = static_cast<size_t>(got);
  }
  void take(char* into, size_t size) {
    while (size > 0) {
      if (at_ == end_) fill();
      size_t piece = std::min(size, end_ - at_);
      if (into != nullptr) std::memcpy(std::exchange(into, into + piece), buffer_ + at_, piece);
      at_ += piece;
      size -= piece;
    }
  }
  // A message's type; its body is kept while it is short.
  char next() {
    char header[5];
    take(header, sizeof header);
    body_size_ = Reader(ByteView(header + 1, 4)).u32() - 4;
    bool is_short = body_size_ < 4096 && header[0] != 'd';
    body_.resize(is_short ? body_size_ : 0);
    take(is_short ? body_.data() : nullptr, body_size_);
    return header[0];
  }
  void log_in() {
    pg::StartupMessage startup;
    startup.version = {3, 0};
    startup.parameters = {{"user", options_.user}, {"database", options_.database}};
    std::string out;
    pg::append_startup(out, startup);
    send(out);
    std::optional<pg::ScramClient> scram;
    for (;;) {
      char type = next();
      if (type == 'Z') return;
      if (type == 'E') die("login: " + body_);
      if (type != 'R') continue;
      auto request = pg::parse_authentication(body_);
      if (!request) die("login");
      out.clear();
      if (request->kind == pg::AuthenticationKind::sasl) {
        scram.emplace(base64_encode(*crypto::random_bytes(pg::scram_nonce_size)));
        pg::append_sasl_initial_response(out, pg::scram_mechanism, scram->first());
      } else if (request->kind == pg::AuthenticationKind::sasl_continue) {
        auto challenge = scram->take_challenge(request->data);
        if (!challenge) die("login");
        pg::append_sasl_response(out, scram->final(keys_of(options_.password, *challenge)));
      }
      if (!out.empty()) send(out);
    }
  }

  const Options& options_;
  int fd_ = -1;
  SSL* ssl_ = nullptr;
  char buffer_[65536];
  size_t at_ = 0, end_ = 0;
  uint32_t body_size_ = 0;
  std::string body_;
};

}  // namespace

int main(int count, char** words) {
  if (count < 9) die("see the first lines of its source");
  Options options;
  options.port = static_cast<uint16_t>(std::atoi(words[1]));
  options.direct = words[2] == std::string("direct");
  const std::string mode = words[3];
  int clients = std::atoi(words[4]);
  double seconds = std::atof(words[5]);
  options.user = words[6];
  options.password = words[7];
  options.database = words[8];
  if (count > 9) options.sql = words[9];
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256");
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  const unsigned char alpn[] = "\x0apostgresql";
  SSL_CTX_set_alpn_protos(context, alpn, sizeof alpn - 1);

  std::atomic<uint64_t> rounds{0}, bytes{0};
  std::atomic<int> ready{0};
  std::atomic<bool> go{false}, stop{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < clients; ++i) {
    threads.emplace_back([&] {
      std::optional<Client> client;
      if (mode != "connect") client.emplace(context, options);
      ++ready;
      while (!go.load()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      while (!stop.load(std::memory_order_relaxed)) {
        if (mode == "connect") Client(context, options);
        else bytes.fetch_add(client->run(), std::memory_order_relaxed);
        rounds.fetch_add(1, std::memory_order_relaxed);
      }
    });
  }
  while (ready.load() < clients) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  // The caller reads the proxies' clocks while nothing runs.
  std::printf("ready\n");
  std::fflush(stdout);
  if (std::getchar() == EOF) return 1;
  auto begin = std::chrono::steady_clock::now();
  go = true;
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  stop = true;
  for (std::thread& thread : threads) thread.join();
  std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::printf("{\"rounds\": %llu, \"bytes\": %llu, \"seconds\": %.3f}\n", static_cast<unsigned long long>(rounds.load()),
              static_cast<unsigned long long>(bytes.load()), took.count());
  return 0;
}
