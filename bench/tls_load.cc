// A PostgreSQL client over TLS that only makes load: as many blocking connections as wanted, a thread each.
//
//   tls_load PORT starttls|direct query|copy|connect CLIENTS SECONDS USER PASSWORD DATABASE [SQL]
//
// starttls sends SSLRequest first, direct begins with TLS as PostgreSQL 17's clients can (for proxies that
// know TLS and not PostgreSQL). `query` runs the SQL again and again by the simple protocol, `copy` the same
// and counts bytes, `connect` makes a new connection with a full handshake and login each time. All offer one
// cipher, TLS_AES_128_GCM_SHA256, so that every proxy encrypts alike. Prints one line of JSON.
#include <openssl/ssl.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "client.h"

using namespace ringfence;

namespace {

class TlsClient final : public bench::Client {
 public:
  TlsClient(SSL_CTX* context, const bench::Account& account, bool is_direct)
      : Client(account), fd_(bench::connect_loopback(account.port)) {
    if (!is_direct) {
      std::string request;
      pg::append_ssl_request(request);
      char answer = 0;
      if (::write(fd_, request.data(), request.size()) < 0 || ::read(fd_, &answer, 1) != 1 || answer != 'S') {
        bench::die("no TLS");
      }
    }
    ssl_ = SSL_new(context);
    SSL_set_fd(ssl_, fd_);
    if (SSL_connect(ssl_) != 1) bench::die("handshake");
    log_in();
  }
  ~TlsClient() override {
    std::string goodbye;
    pg::append_terminate(goodbye);
    send(goodbye);
    SSL_shutdown(ssl_);
    SSL_free(ssl_);
    ::close(fd_);
  }
  void send(const std::string& bytes) override {
    if (SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())) <= 0) bench::die("send");
  }

 protected:
  size_t receive(char* into, size_t size) override {
    int got = SSL_read(ssl_, into, static_cast<int>(size));
    if (got <= 0) bench::die("connection lost");
    return static_cast<size_t>(got);
  }

 private:
  int fd_;
  SSL* ssl_ = nullptr;
};

}  // namespace

int main(int count, char** words) {
  if (count < 9) bench::die("see the first lines of its source");
  bench::Account account;
  account.port = static_cast<uint16_t>(std::atoi(words[1]));
  bool is_direct = words[2] == std::string("direct");
  const std::string mode = words[3];
  int clients = std::atoi(words[4]);
  double seconds = std::atof(words[5]);
  account.user = words[6];
  account.password = words[7];
  account.database = words[8];
  std::string query;
  pg::append_query(query, count > 9 ? words[9] : "");
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
      std::optional<TlsClient> client;
      if (mode != "connect") client.emplace(context, account, is_direct);
      ++ready;
      while (!go.load()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      while (!stop.load(std::memory_order_relaxed)) {
        if (mode == "connect") TlsClient(context, account, is_direct);
        else bytes.fetch_add(client->run(query), std::memory_order_relaxed);
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
  std::printf("{\"rounds\": %llu, \"bytes\": %llu, \"seconds\": %.3f}\n",
              static_cast<unsigned long long>(rounds.load()), static_cast<unsigned long long>(bytes.load()),
              took.count());
  return 0;
}
