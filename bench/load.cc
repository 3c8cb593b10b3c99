// Load that keeps a proxy busy: a server that answers without working, and clients that ask without waiting
// for more than the answer. One thread each, so that on two cores the proxy has one of its own.
//
//   load backend PORT ANSWER_BYTES
//     a PostgreSQL server that lets anybody in and answers each query with one row of ANSWER_BYTES bytes
//   load clients PORT CLIENTS SECONDS simple|extended|prepared USER PASSWORD DATABASE SQL [RATE]
//     CLIENTS connections; `{}` in SQL is another number each time. Without RATE each sends the next query
//     when it has the answer; with it all together send RATE queries a second at times fixed beforehand, and
//     a query's latency counts from its time, so that a proxy that stalls does not hide behind the queries it
//     has delayed. With SECONDS 0 the connections are only held.
//   load connect PORT CLIENTS SECONDS USER PASSWORD DATABASE SQL
//     connections one after the other in CLIENTS threads: login, one query, Terminate
//   load copy-in PORT CLIENTS SECONDS USER PASSWORD DATABASE SQL ROW_BYTES
//     SQL is a COPY FROM STDIN into one text column: rows of ROW_BYTES in CopyData of 64 KiB until the time
//     is over
//
// All but the first print "ready", wait for a line, and print one line of JSON: rounds, bytes, seconds,
// p50/p99/p999 latency in microseconds.
#include <fcntl.h>
#include <sys/epoll.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "client.h"

using namespace ringfence;
using bench::die;

namespace {

using Clock = std::chrono::steady_clock;

void message(std::string& out, char type, std::string_view body) {
  Writer writer(out);
  writer.u8(static_cast<uint8_t>(type)).u32(static_cast<uint32_t>(body.size() + 4)).bytes(body);
}

void make_nonblocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

// What has to be written; what the socket does not take at once waits.
class Output {
 public:
  // False: the connection is gone.
  bool write(int epoll, int fd, uint64_t data, ByteView bytes) {
    if (rest_.empty()) {
      ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno != EAGAIN) return false;
      if (sent > 0) bytes.remove_prefix(static_cast<size_t>(sent));
      if (bytes.empty()) return true;
      watch(epoll, fd, data, EPOLLIN | EPOLLOUT);
    }
    rest_.append(bytes);
    return true;
  }
  bool flush(int epoll, int fd, uint64_t data) {
    ssize_t sent = ::send(fd, rest_.data() + at_, rest_.size() - at_, MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN;
    at_ += static_cast<size_t>(sent);
    if (at_ < rest_.size()) return true;
    rest_.clear();
    at_ = 0;
    watch(epoll, fd, data, EPOLLIN);
    return true;
  }

 private:
  static void watch(int epoll, int fd, uint64_t data, uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = data;
    epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event);
  }
  std::string rest_;
  size_t at_ = 0;
};

// ---------------------------------------------------------------- the server

class Backend {
 public:
  Backend(uint16_t port, size_t answer_bytes) {
    for (auto [name, value] : std::initializer_list<std::pair<std::string_view, std::string_view>>{
             {"client_encoding", "UTF8"},
             {"DateStyle", "ISO, MDY"},
             {"default_transaction_read_only", "on"},
             {"in_hot_standby", "off"},
             {"integer_datetimes", "on"},
             {"IntervalStyle", "postgres"},
             {"is_superuser", "off"},
             {"server_encoding", "UTF8"},
             {"server_version", "15.0"},
             {"session_authorization", "bench"},
             {"standard_conforming_strings", "on"},
             {"TimeZone", "Etc/UTC"}}) {
      statuses_ += std::string(name) + '\0' + std::string(value) + '\0' + '\n';
    }
    std::string text(answer_bytes, 'x');
    std::string row;
    Writer(row).u16(1).u32(static_cast<uint32_t>(text.size())).bytes(text);
    std::string column("t\0", 2);
    std::string description;
    Writer(description).u16(1).bytes(column).u32(0).u16(0).u32(25).u16(0xffff).u32(0xffffffff).u16(0);
    message(row_, 'D', row);
    message(row_, 'C', std::string_view("SELECT 1\0", 9));
    message(description_, 'T', description);
    std::string no_parameters;
    Writer(no_parameters).u16(0);
    message(parameters_, 't', no_parameters);
    message(ready_, 'Z', "I");
    simple_ = description_ + row_ + ready_;

    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) die("bind");
    ::listen(listener_, 4096);
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    add(listener_, nullptr);
  }

  [[noreturn]] void run() {
    epoll_event events[256];
    for (;;) {
      int count = epoll_wait(epoll_, events, 256, -1);
      for (int i = 0; i < count; ++i) {
        auto* one = static_cast<Session*>(events[i].data.ptr);
        if (one == nullptr) {
          accept();
        } else if (!serve(*one, events[i].events)) {
          ::close(one->fd);
          delete one;
        }
      }
    }
  }

 private:
  struct Session {
    int fd;
    bool is_started = false;
    std::string input;
    Output output;
  };

  void add(int fd, Session* session) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = session;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }
  void accept() {
    for (int fd; (fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
      int on = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      add(fd, new Session{.fd = fd, .input = {}, .output = {}});
    }
  }
  bool serve(Session& one, uint32_t events) {
    auto data = reinterpret_cast<uint64_t>(&one);
    if ((events & EPOLLOUT) != 0 && !one.output.flush(epoll_, one.fd, data)) return false;
    if ((events & ~EPOLLOUT) == 0) return true;
    ssize_t got = ::recv(one.fd, buffer_, sizeof buffer_, 0);
    if (got < 0 && errno == EAGAIN) return true;
    if (got <= 0) return false;
    ByteView bytes(buffer_, static_cast<size_t>(got));
    if (!one.input.empty()) {
      one.input.append(bytes);
      bytes = one.input;
    }
    answer_.clear();
    bool goes_on = true;
    while (goes_on && bytes.size() >= 5) {
      size_t header = one.is_started ? 1 : 0;
      size_t size = Reader(bytes.substr(header, 4)).u32() + header;
      if (bytes.size() < size) break;
      goes_on = answer(one, bytes.substr(0, size));
      bytes.remove_prefix(size);
    }
    one.input = std::string(bytes);
    return goes_on && (answer_.empty() || one.output.write(epoll_, one.fd, data, answer_));
  }
  bool answer(Session& one, ByteView whole) {
    if (!one.is_started) {
      uint32_t version = Reader(whole.substr(4, 4)).u32();
      if (version == 80877103 || version == 80877104) {  // SSLRequest, GSSENCRequest.
        answer_ += 'N';
        return true;
      }
      if (version != 196608) return false;
      one.is_started = true;
      message(answer_, 'R', std::string_view("\0\0\0\0", 4));
      for (size_t at = 0; at < statuses_.size();) {
        size_t end = statuses_.find('\n', at);
        message(answer_, 'S', std::string_view(statuses_).substr(at, end - at));
        at = end + 1;
      }
      message(answer_, 'K', std::string_view("\0\0\0\1\0\0\0\1", 8));
      answer_ += ready_;
      return true;
    }
    switch (whole[0]) {
      case 'Q': answer_ += simple_; return true;
      case 'P': message(answer_, '1', ""); return true;
      case 'B': message(answer_, '2', ""); return true;
      case 'C': message(answer_, '3', ""); return true;
      case 'D': answer_ += whole[5] == 'S' ? parameters_ + description_ : description_; return true;
      case 'E': answer_ += row_; return true;
      case 'S': answer_ += ready_; return true;
      default: return whole[0] != 'X';
    }
  }

  std::string statuses_, row_, description_, parameters_, ready_, simple_, answer_;
  int listener_ = -1, epoll_ = -1;
  char buffer_[65536];
};

// ---------------------------------------------------------------- the clients

struct Result {
  uint64_t rounds = 0, bytes = 0;
  double seconds = 0;
  std::vector<uint32_t> latencies_us;

  void print() {
    std::sort(latencies_us.begin(), latencies_us.end());
    auto at = [&](double share) -> unsigned {
      if (latencies_us.empty()) return 0;
      return latencies_us[std::min(latencies_us.size() - 1,
                                   static_cast<size_t>(share * static_cast<double>(latencies_us.size())))];
    };
    std::printf(
        "{\"rounds\": %llu, \"bytes\": %llu, \"seconds\": %.3f, \"p50\": %u, \"p99\": %u, \"p999\": %u}\n",
        static_cast<unsigned long long>(rounds), static_cast<unsigned long long>(bytes), seconds, at(0.5),
        at(0.99), at(0.999));
  }
};

// The caller reads the proxies' clocks while nothing runs.
void wait_for_go() {
  std::printf("ready\n");
  std::fflush(stdout);
  if (std::getchar() == EOF) std::exit(1);
}

class Clients {
 public:
  Clients(const bench::Account& account, int count, const std::string& mode, std::string sql)
      : mode_(mode), sql_(std::move(sql)), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    for (int i = 0; i < count; ++i) {
      bench::PlainClient client(account);
      if (mode == "prepared") prepare(client);
      auto one = std::make_unique<One>();
      one->fd = client.release();
      make_nonblocking(one->fd);
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.ptr = one.get();
      epoll_ctl(epoll_, EPOLL_CTL_ADD, one->fd, &event);
      ones_.push_back(std::move(one));
    }
  }

  Result run(double seconds, double rate) {
    auto begin = Clock::now();
    auto end = begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    begin_ = begin;
    interval_ = rate > 0 ? std::chrono::duration<double>(1 / rate) : std::chrono::duration<double>(0);
    result_.latencies_us.reserve(4'000'000);
    for (auto& one : ones_) {
      if (rate > 0) idle_.push_back(one.get());
      else ask(*one, Clock::now());
    }
    epoll_event events[256];
    while (Clock::now() < end) {
      int wait_ms = 100;
      if (rate > 0) wait_ms = ask_what_is_due() ? 0 : 1;
      int count = epoll_wait(epoll_, events, 256, wait_ms);
      for (int i = 0; i < count; ++i) {
        auto* one = static_cast<One*>(events[i].data.ptr);
        if ((events[i].events & EPOLLOUT) != 0)
          one->output.flush(epoll_, one->fd, reinterpret_cast<uint64_t>(one));
        if ((events[i].events & ~EPOLLOUT) == 0 || !take(*one)) continue;
        auto now = Clock::now();
        ++result_.rounds;
        auto took = std::chrono::duration_cast<std::chrono::microseconds>(now - one->asked).count();
        result_.latencies_us.push_back(static_cast<uint32_t>(took));
        if (rate > 0) idle_.push_back(one);
        else if (now < end) ask(*one, now);
      }
    }
    result_.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    return result_;
  }

 private:
  struct One {
    int fd = -1;
    Clock::time_point asked;
    uint32_t skip = 0;   // Bytes of a message's body still to come.
    std::string header;  // Of a message, what came of it.
    char type = 0;
    Output output;
  };

  std::string sql_text() {
    size_t at = sql_.find("{}");
    if (at == std::string::npos) return sql_;
    return sql_.substr(0, at) + std::to_string(100'000 + ++number_ % 800'000) + sql_.substr(at + 2);
  }
  void prepare(bench::PlainClient& client) {
    std::string out;
    pg::append_parse(out, "p", sql_text());
    pg::append_sync(out);
    client.run(out);
  }
  void ask(One& one, Clock::time_point at) {
    one.asked = at;
    request_.clear();
    if (mode_ == "simple") {
      pg::append_query(request_, sql_text());
    } else {
      if (mode_ == "extended") pg::append_parse(request_, "", sql_text());
      std::string_view name = mode_ == "extended" ? "" : "p";
      std::string body = '\0' + std::string(name) + '\0';
      Writer(body).u16(0).u16(0).u16(0);
      message(request_, 'B', body);
      message(request_, 'D', std::string_view("P\0", 2));
      message(request_, 'E', std::string_view("\0\0\0\0\0", 5));
      pg::append_sync(request_);
    }
    if (!one.output.write(epoll_, one.fd, reinterpret_cast<uint64_t>(&one), request_)) die("connection lost");
  }
  // Whether more is due than there are idle connections, or will be within the next moment.
  bool ask_what_is_due() {
    auto now = Clock::now();
    while (!idle_.empty()) {
      auto due =
          begin_ + std::chrono::duration_cast<Clock::duration>(interval_ * static_cast<double>(scheduled_));
      if (due > now) return due - now < std::chrono::milliseconds(1);
      ++scheduled_;
      One* one = idle_.back();
      idle_.pop_back();
      ask(*one, due);
    }
    return false;
  }
  // True: the answer has ended.
  bool take(One& one) {
    bool is_answered = false;
    ssize_t got = ::recv(one.fd, buffer_, sizeof buffer_, 0);
    if (got <= 0) {
      if (got < 0 && errno == EAGAIN) return false;
      die("connection lost");
    }
    result_.bytes += static_cast<uint64_t>(got);
    ByteView bytes(buffer_, static_cast<size_t>(got));
    while (!bytes.empty()) {
      if (one.skip > 0) {
        size_t skipped = std::min<size_t>(one.skip, bytes.size());
        one.skip -= static_cast<uint32_t>(skipped);
        bytes.remove_prefix(skipped);
      } else {
        size_t missing = std::min(5 - one.header.size(), bytes.size());
        one.header.append(bytes.substr(0, missing));
        bytes.remove_prefix(missing);
        if (one.header.size() < 5) break;
        one.type = one.header[0];
        one.skip = Reader(ByteView(one.header).substr(1)).u32() - 4;
        one.header.clear();
        if (one.type == 'E') die("an error in place of an answer");
      }
      if (one.skip == 0 && one.header.empty() && one.type == 'Z') {
        is_answered = true;
        one.type = 0;
      }
    }
    return is_answered;
  }

  std::string mode_, sql_, request_;
  int epoll_;
  std::vector<std::unique_ptr<One>> ones_;
  std::vector<One*> idle_;
  Clock::time_point begin_;
  std::chrono::duration<double> interval_{0};
  uint64_t scheduled_ = 0, number_ = 0;
  Result result_;
  char buffer_[1 << 18];
};

Result copy_in(const bench::Account& account, int count, double seconds, const std::string& sql,
               size_t row_bytes) {
  std::string rows;
  while (rows.size() < 65536 - row_bytes || rows.empty()) rows += std::string(row_bytes - 1, 'x') + '\n';
  std::string data;
  message(data, 'd', rows);
  std::string begin_copy;
  pg::append_query(begin_copy, sql);
  std::string end_copy;
  message(end_copy, 'c', "");
  std::vector<std::unique_ptr<bench::PlainClient>> clients;
  for (int i = 0; i < count; ++i) clients.push_back(std::make_unique<bench::PlainClient>(account));
  std::atomic<uint64_t> bytes{0};
  wait_for_go();
  auto begin = Clock::now();
  std::vector<std::thread> threads;
  for (auto& client : clients) {
    threads.emplace_back([&] {
      client->run(begin_copy, 'G');
      for (uint64_t sent = 0; std::chrono::duration<double>(Clock::now() - begin).count() < seconds; ++sent) {
        client->send(data);
        bytes.fetch_add(data.size(), std::memory_order_relaxed);
      }
      client->run(end_copy);
    });
  }
  for (std::thread& thread : threads) thread.join();
  Result result;
  result.rounds = static_cast<uint64_t>(count);
  result.bytes = bytes;
  result.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  return result;
}

Result connect_again_and_again(const bench::Account& account, int count, double seconds,
                               const std::string& sql) {
  std::atomic<uint64_t> rounds{0};
  std::atomic<bool> stop{false};
  std::mutex mutex;
  Result result;
  std::string query;
  pg::append_query(query, sql);
  auto begin = Clock::now();
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([&] {
      std::vector<uint32_t> latencies;
      while (!stop.load(std::memory_order_relaxed)) {
        auto at = Clock::now();
        bench::PlainClient(account).run(query);
        auto took = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - at).count();
        latencies.push_back(static_cast<uint32_t>(took));
        ++rounds;
      }
      std::lock_guard lock(mutex);
      result.latencies_us.insert(result.latencies_us.end(), latencies.begin(), latencies.end());
    });
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  stop = true;
  for (std::thread& thread : threads) thread.join();
  result.rounds = rounds;
  result.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  return result;
}

}  // namespace

int main(int count, char** words) {
  std::string what = count > 1 ? words[1] : "";
  if (what == "backend" && count == 4) {
    std::make_unique<Backend>(static_cast<uint16_t>(std::atoi(words[2])),
                              static_cast<size_t>(std::atol(words[3])))
        ->run();
  }
  bool is_connect = what == "connect";
  bool is_copy = what == "copy-in";
  int first = is_connect || is_copy ? 5 : 6;
  if ((what != "clients" && !is_connect && !is_copy) || count < first + 4)
    die("see the first lines of its source");
  bench::Account account{.port = static_cast<uint16_t>(std::atoi(words[2])),
                         .user = words[first],
                         .password = words[first + 1],
                         .database = words[first + 2]};
  int clients = std::atoi(words[3]);
  double seconds = std::atof(words[4]);
  const char* sql = words[first + 3];
  if (is_connect) {
    wait_for_go();
    connect_again_and_again(account, clients, seconds, sql).print();
    return 0;
  }
  if (is_copy) {
    size_t row_bytes = count > first + 4 ? static_cast<size_t>(std::atol(words[first + 4])) : 100;
    copy_in(account, clients, seconds, sql, row_bytes).print();
    return 0;
  }
  auto all = std::make_unique<Clients>(account, clients, words[5], sql);
  wait_for_go();
  if (seconds == 0) return 0;
  all->run(seconds, count > first + 4 ? std::atof(words[first + 4]) : 0).print();
  return 0;
}
