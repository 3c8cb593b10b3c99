// TLS whose sending is the kernel's, on real sockets and a real ring, read by OpenSSL's own client. Where the
// kernel cannot do it the cases say so and are over: tests/kernel boots one that can.
#include "ringfence/net/kernel_tls.h"

#include <netinet/in.h>
#include <openssl/ssl.h>

#include <cerrno>
#include <cstdlib>

#include "ringfence/net/listener.h"
#include "ringfence/net/socket_stream.h"
#include "shard_thread.h"
#include "tls_fixture.h"

using namespace tls_test;
using net_test::ShardThread;

namespace {

const KernelTls& kernel() {
  static const KernelTls found = try_kernel_tls();
  return found;
}
// RINGFENCE_KERNEL_TLS says that there has to be one.
bool has_kernel() {
  if (kernel().suites != 0) return true;
  REQUIRE_MESSAGE(std::getenv("RINGFENCE_KERNEL_TLS") == nullptr, kernel().reason);
  MESSAGE("not tried here: " << kernel().reason);
  return false;
}

struct Work {
  bool is_shaken = false;
  bool was_sent = false;
  bool is_over = false;
  int error = 0;
  std::string got;
};
ring::Task<void> shake(TlsStream* tls, Work* work) {
  auto shaking = tls->handshake();
  Result<void> done = co_await shaking;
  work->is_shaken = done.has_value();
  work->is_over = true;
}
ring::Task<void> pour(Stream* tls, const std::vector<std::string>* pieces, Work* work) {
  for (const std::string& piece : *pieces) {
    Send sending(*tls, piece);
    Result<void> sent = co_await sending;
    if (!sent) work->error = sent.error().errno_value;
    if (!sent) break;
  }
  work->was_sent = work->error == 0;
  work->is_over = true;
}
ring::Task<void> listen_to(Stream* tls, Work* work) {
  for (;;) {
    Receive receive(*tls);
    Result<Chunk> chunk = co_await receive;
    if (!chunk) work->error = chunk.error().errno_value;
    if (!chunk || chunk->bytes().empty()) break;
    work->got.append(chunk->bytes());
  }
  work->is_over = true;
}

// Our server's stream on a shard, and a client of libssl on this thread.
class Served {
 public:
  Served(const char* suite, bool at_once) : context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_ciphersuites(context_, suite);
    int acceptor = listen(numeric_address("127.0.0.1", 0).value(), "x").value();
    Address address = local_address(acceptor);
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(::connect(fd_, address.get(), address.size) == 0);
    int accepted = ::accept(acceptor, nullptr, nullptr);
    ::close(acceptor);
    timeval patience{20, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    TlsServerOptions options = server_options();
    options.kernel = {kernel().suites, at_once};
    auto context = TlsContext::server(std::move(options)).value();
    auto keys = TlsTicketKeys::rotate(nullptr).value();
    Work work;
    thread.run([&] {
      tls = std::make_unique<TlsStream>(std::make_unique<SocketStream>(thread.shard, accepted), context,
                                        buffers, &legs);
      tls->engine().use_ticket_keys(keys);
      ring::spawn(shake(tls.get(), &work));
    });
    ssl = SSL_new(context_);
    SSL_set_fd(ssl, fd_);
    REQUIRE(SSL_connect(ssl) == 1);
    REQUIRE(thread.wait_until([&] { return work.is_over; }));
    REQUIRE(work.is_shaken);
  }
  ~Served() {
    thread.run([&] { tls->shutdown(); });
    for (Task* work : {&pouring, &listening}) {
      if (work->is_used) CHECK(thread.wait_until([&] { return work->is_over; }));
    }
    thread.run([&] { tls.reset(); });
    SSL_free(ssl);
    ::close(fd_);
    SSL_CTX_free(context_);
    for (int i = 0; i < 20; ++i) {
      thread.run([] {});
      ::usleep(500);
    }
  }
  Served(const Served&) = delete;
  Served& operator=(const Served&) = delete;

  void send(std::vector<std::string> pieces) {
    pieces_ = std::move(pieces);
    pouring = {};
    pouring.is_used = true;
    thread.run([&] { ring::spawn(pour(tls.get(), &pieces_, &pouring)); });
  }
  void receive() {
    listening.is_used = true;
    thread.run([&] { ring::spawn(listen_to(tls.get(), &listening)); });
  }
  std::string read(size_t size, useconds_t pause_us = 0) {
    std::string out;
    while (out.size() < size) {
      char piece[9'000];
      int got = SSL_read(ssl, piece, static_cast<int>(std::min(sizeof piece, size - out.size())));
      if (got <= 0) break;
      out.append(piece, static_cast<size_t>(got));
      if (pause_us > 0) ::usleep(pause_us);
    }
    return out;
  }
  bool is_sent_by_kernel() {
    bool is = false;
    thread.run([&] { is = tls->is_sent_by_kernel(); });
    return is;
  }

  struct Task : Work {
    bool is_used = false;
  };
  ShardThread thread{64};
  TlsBuffers buffers;
  TlsLegs legs;
  std::unique_ptr<TlsStream> tls;  // The shard's.
  SSL* ssl = nullptr;
  Task pouring;
  Task listening;

 private:
  SSL_CTX* context_;
  int fd_ = -1;
  std::vector<std::string> pieces_;
};

std::string pattern(size_t size) {
  std::string out(size, '\0');
  for (size_t i = 0; i < size; ++i) out[i] = static_cast<char>(i * 167 + (i >> 9));
  return out;
}

}  // namespace

TEST_SUITE("net kernel tls") {
  TEST_CASE("the trial finds out which suites the kernel can do, or says why it can do none") {
    CHECK((kernel().suites != 0) == (kernel().cost > 0));
    CHECK((kernel().suites == 7) == kernel().reason.empty());
    if (std::getenv("RINGFENCE_KERNEL_TLS") != nullptr) CHECK(kernel().suites == 7);
    MESSAGE("suites " << int{kernel().suites} << ", cost " << kernel().cost << ", " << kernel().reason);
  }

  TEST_CASE(
      "a connection whose sending the kernel takes over brings every byte, both ways, with each suite") {
    if (!has_kernel()) return;
    for (const char* suite : suites) {
      for (bool at_once : {true, false}) {
        CAPTURE(suite);
        CAPTURE(at_once);
        Served served(suite, at_once);
        served.receive();
        std::vector<std::string> pieces = {"first",      std::string(3, 'x'), pattern(2'000'000),
                                           "in between", pattern(100'000),    ""};
        std::string all;
        for (const std::string& piece : pieces) all += piece;
        served.send(pieces);
        REQUIRE(served.read(all.size()) == all);
        CHECK(SSL_write(served.ssl, all.data(), 300'000) == 300'000);
        CHECK(served.thread.wait_until([&] { return served.listening.got.size() == 300'000; }));
        CHECK(served.listening.got == all.substr(0, 300'000));
        CHECK(served.thread.wait_until([&] { return served.pouring.is_over; }));
        CHECK(served.is_sent_by_kernel());
        CHECK(served.legs.open == 1);
        CHECK(served.legs.kernel_sends == 1);
        CHECK(served.legs.kernel_sends_total == 1);
        // The end is said, and is one to the client.
        served.thread.run([&] { served.tls->shutdown(); });
        char rest[10];
        int got = SSL_read(served.ssl, rest, sizeof rest);
        CHECK(SSL_get_error(served.ssl, got) == SSL_ERROR_ZERO_RETURN);
      }
    }
  }

  TEST_CASE("small sends stay in the process until the connection is a stream") {
    if (!has_kernel()) return;
    Served served(suites[0], false);
    std::vector<std::string> small(1'000, std::string(500, 'q'));
    served.send(small);
    CHECK(served.read(500'000).size() == 500'000);
    CHECK_FALSE(served.is_sent_by_kernel());
    CHECK(served.legs.kernel_sends == 0);
    served.thread.wait_until([&] { return served.pouring.is_over; });
    served.send({pattern(TlsStream::kernel_from_bytes), "and on"});
    CHECK(served.read(TlsStream::kernel_from_bytes + 6).size() == TlsStream::kernel_from_bytes + 6);
    CHECK(served.is_sent_by_kernel());
  }

  TEST_CASE("a client that reads slowly gets it all in order") {
    if (!has_kernel()) return;
    Served served(suites[0], true);
    std::string all = pattern(12'000'000);
    served.send({all});
    ::usleep(100'000);
    CHECK_FALSE(served.pouring.is_over);  // More than the sockets hold.
    CHECK(served.pouring.error == 0);
    CHECK(served.read(1'000'000, 500) == all.substr(0, 1'000'000));
    CHECK(served.read(11'000'000) == all.substr(1'000'000));
    CHECK(served.thread.wait_until([&] { return served.pouring.was_sent; }));
  }

  TEST_CASE("a stream that is shut down in the middle of a send ends it") {
    if (!has_kernel()) return;
    Served served(suites[0], true);
    served.receive();
    served.send({pattern(12'000'000)});
    ::usleep(50'000);
    served.thread.run([&] { served.tls->shutdown(); });
    CHECK(served.thread.wait_until([&] { return served.pouring.is_over && served.listening.is_over; }));
    CHECK_FALSE(served.pouring.was_sent);
  }

  TEST_CASE("a client that asks for new keys then is told by an alert, and the connection ends") {
    if (!has_kernel()) return;
    Served served(suites[0], true);
    served.receive();
    served.send({"hello"});
    REQUIRE(served.read(5) == "hello");
    REQUIRE(SSL_key_update(served.ssl, SSL_KEY_UPDATE_REQUESTED) == 1);
    REQUIRE(SSL_do_handshake(served.ssl) == 1);
    CHECK(served.thread.wait_until([&] { return served.listening.is_over; }));
    CHECK(served.listening.error == EKEYEXPIRED);
    CHECK(served.legs.key_updates_refused == 1);
    char rest[10];
    int got = SSL_read(served.ssl, rest, sizeof rest);
    CHECK(SSL_get_error(served.ssl, got) == SSL_ERROR_SSL);
  }
}
