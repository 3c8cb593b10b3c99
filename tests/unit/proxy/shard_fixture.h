// A real shard with its thread and ring, a real journal that is read and kept, sessions over loopback
// sockets, and a server behind them that answers by rote. What is faked is PostgreSQL alone.
#pragma once

#include <doctest/doctest.h>

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "access_fixture.h"

#include <atomic>
#include <filesystem>
#include <future>
#include <list>
#include <mutex>
#include <string>
#include <thread>

#include "ringfence/audit/journal.h"
#include "ringfence/pg/frame.h"
#include "ringfence/pg/messages.h"
#include "ringfence/pg/scram.h"
#include "ringfence/pg/startup.h"
#include "ringfence/proxy/pg/pg_shard.h"
#include "ringfence/ring/shard.h"
#include "ringfence/ring/workers.h"

namespace ringfence::proxy {

// Messages over a blocking socket.
class Wire {
 public:
  explicit Wire(int fd) : fd_(fd) {
    timeval patience{20, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  ~Wire() { ::close(fd_); }
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  // False at the end of the stream.
  bool fill(size_t size) {
    while (buffer_.size() - at_ < size) {
      if (at_ > 0) buffer_.erase(0, at_);
      at_ = 0;
      char piece[16384];
      ssize_t got = ::recv(fd_, piece, sizeof piece, 0);
      if (got <= 0) return false;
      buffer_.append(piece, static_cast<size_t>(got));
    }
    return true;
  }
  // `type` 0: the end. `body` is valid until the next call.
  struct Message {
    char type = 0;
    ByteView body;
  };
  Message next() {
    if (!fill(5)) return {};
    uint32_t length = ringfence::detail::load_be<uint32_t>(buffer_.data() + at_ + 1);
    if (!fill(length + 1)) return {};
    Message out{buffer_[at_], ByteView(buffer_).substr(at_ + 5, length - 4)};
    at_ += length + 1;
    return out;
  }
  void skip_first_packet() {
    REQUIRE(fill(4));
    uint32_t length = ringfence::detail::load_be<uint32_t>(buffer_.data() + at_);
    REQUIRE(fill(length));
    at_ += length;
  }
  bool has_more() const { return at_ < buffer_.size(); }
  void shutdown() { ::shutdown(fd_, SHUT_RDWR); }

 private:
  int fd_;
  std::string buffer_;
  size_t at_ = 0;
};

inline void append_message(std::string& out, char type, ByteView body) {
  auto header = pg::frame_header(type, static_cast<uint32_t>(body.size()));
  out.append(header.data(), header.size());
  out.append(body);
}

// One thread for each connection. Lets anybody in; each statement gives one row.
class RoteServer {
 public:
  RoteServer() {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(listener_, 512) == 0);
    socklen_t size = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
    acceptor_ = std::thread([this] {
      for (int fd; (fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) {
        std::lock_guard lock(mutex_);
        Wire& wire = wires_.emplace_back(fd);
        threads_.emplace_back([&wire] { serve(wire); });
      }
    });
  }
  ~RoteServer() {
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    ::close(listener_);
    for (Wire& wire : wires_) wire.shutdown();
    for (std::thread& thread : threads_) thread.join();
  }
  uint16_t port = 0;

 private:
  static void serve(Wire& wire) {
    wire.skip_first_packet();
    std::string out;
    pg::append_authentication_ok(out);
    pg::append_parameter_status(out, "client_encoding", "UTF8");
    pg::append_parameter_status(out, "standard_conforming_strings", "on");
    pg::append_backend_key_data(out, 1, "key!");
    pg::append_ready_for_query(out, 'I');
    while (wire.send(out)) {
      out.clear();
      do {
        Wire::Message message = wire.next();
        switch (message.type) {
          case 'Q':
            append_row(out, true);
            pg::append_ready_for_query(out, 'I');
            break;
          case 'P': append_message(out, '1', ""); break;
          case 'B': append_message(out, '2', ""); break;
          case 'D': append_message(out, 'n', ""); break;
          case 'E': append_row(out, false); break;
          case 'S': pg::append_ready_for_query(out, 'I'); break;
          default: wire.shutdown(); return;
        }
      } while (wire.has_more());
    }
    wire.shutdown();
  }
  static void append_row(std::string& out, bool is_described) {
    if (is_described)
      append_message(out, 'T', ByteView("\0\1a\0\0\0\0\0\0\0\0\0\0\x17\0\4\xff\xff\xff\xff\0\0", 22));
    append_message(out, 'D', ByteView("\0\1\0\0\0\1x", 7));
    pg::append_command_complete(out, "SELECT 1");
  }

  int listener_;
  std::thread acceptor_;
  std::mutex mutex_;
  std::list<Wire> wires_;
  std::list<std::thread> threads_;
};

class ShardFixture {
 public:
  // `is_durable`: as with audit.durability: disk.
  explicit ShardFixture(uint64_t segment_bytes = 1 << 20, bool is_durable = false) {
    char name[] = "/tmp/ringfence-shard-XXXXXX";
    directory_ = ::mkdtemp(name);
    audit::JournalOptions options;
    options.directory = directory_;
    options.node = "n1";
    options.segment_bytes = segment_bytes;
    options.max_bytes = 64 * segment_bytes;
    auto opened = audit::Journal::open(options);
    REQUIRE_MESSAGE(opened, opened.error().message);
    journal = std::move(*opened);
    auto made = std::make_shared<Snapshot>();
    made->mock_secret = "mock";
    made->policies = everything_for_everybody();
    made->limits.volume_per_user = made->limits.volume_per_address = {};  // No bound.
    made->users["ada"] = {{"ada", {}, {}}, pg::make_scram_verifier("secret", "0123456789abcdef", 4096)};
    Target target;
    target.name = "shop";
    target.hosts = {"127.0.0.1"};
    target.port = server.port;
    target.database = "shop_db";
    target.user = "app";
    target.attribution_witness = AttributionWitness::report;
    made->targets["shop"] = target;
    REQUIRE(shard.start().has_value());
    ShardCore::Options shard_options;
    if (is_durable) shard_options.sync = [this] { return journal->sync(journal->published_position()); };
    on_shard([&] {
      core = std::make_unique<ShardCore>(shard_options, shard, *journal, workers, made);
      pg_shard = std::make_unique<PgShard>(*core);
    });
    // What the appliance's keeper and writer do: make segments, read records and give them free.
    keeper_ = std::thread([this] {
      audit::JournalRecord record;
      while (!is_over_) {
        journal->keep();
        ++rounds_;
        while (journal->next(record)) ++records;
        journal->release(journal->consumed_position(), journal->next_seq());
        std::this_thread::yield();
      }
    });
  }
  ~ShardFixture() {
    for (int i = 0; i < 10'000 && !is_drained(); ++i) ::usleep(1'000);
    CHECK(is_drained());
    on_shard([&] {
      pg_shard.reset();
      core.reset();
    });
    shard.stop();
    shard.join();
    is_over_ = true;
    keeper_.join();
    std::error_code error;
    std::filesystem::remove_all(directory_, error);
  }

  // Runs it on the shard's thread, and waits.
  template <typename F>
  void on_shard(F function) {
    std::promise<void> done;
    REQUIRE(shard.post([&] {
      function();
      done.set_value();
    }));
    done.get_future().wait();
  }
  // Until the journal has a spare segment for what was written so far.
  void let_keeper_catch_up() {
    for (uint64_t begin = rounds_; rounds_ < begin + 2;) std::this_thread::yield();
  }
  bool is_drained() {
    bool drained = false;
    on_shard([&] { drained = core->is_drained(); });
    return drained;
  }

  // A client that has logged in, at its ReadyForQuery.
  std::unique_ptr<Wire> log_in() {
    auto client = connect();
    pg::StartupMessage startup;
    startup.parameters = {{"user", "ada"}, {"database", "shop"}, {"application_name", "fixture"}};
    std::string out;
    pg::append_startup(out, startup);
    REQUIRE(client->send(out));
    REQUIRE(client->next().type == 'R');
    pg::ScramClient scram("clientnonce");
    out.clear();
    pg::append_sasl_initial_response(out, pg::scram_mechanism, scram.first());
    REQUIRE(client->send(out));
    auto challenge = scram.take_challenge(client->next().body.substr(4));
    REQUIRE(challenge);
    if (!keys_) keys_ = pg::derive_scram_keys("secret", challenge->salt, challenge->iterations);
    out.clear();
    pg::append_sasl_response(out, scram.final(*keys_));
    REQUIRE(client->send(out));
    for (char type = 0; type != 'Z';) {
      type = client->next().type;
      REQUIRE((type == 'R' || type == 'S' || type == 'K' || type == 'Z'));
    }
    return client;
  }
  // A connection of which the shard has the other end.
  std::unique_ptr<Wire> connect() {
    int listening = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(listening, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(listening, 1) == 0);
    ::getsockname(listening, reinterpret_cast<sockaddr*>(&address), &size);
    int ours = ::socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(::connect(ours, reinterpret_cast<sockaddr*>(&address), size) == 0);
    int theirs = ::accept(listening, nullptr, nullptr);
    ::close(listening);
    core->hand_over(theirs, *pg_shard, listener);
    return std::make_unique<Wire>(ours);
  }

  RoteServer server;
  ring::Shard shard{ring::ShardOptions{}};
  ring::Workers workers{1, 16};
  std::unique_ptr<audit::Journal> journal;
  std::unique_ptr<ShardCore> core;
  std::unique_ptr<PgShard> pg_shard;
  std::shared_ptr<ListenerFacts> listener = std::make_shared<ListenerFacts>();
  std::atomic<uint64_t> records{0};

 private:
  std::string directory_;
  std::optional<pg::ScramKeys> keys_;
  std::atomic<bool> is_over_{false};
  std::atomic<uint64_t> rounds_{0};
  std::thread keeper_;
};

}  // namespace ringfence::proxy
