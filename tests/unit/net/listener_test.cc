// Listening sockets: what start-up is told when an address cannot be had, and that accepting stops when told
// to.
#include "ringfence/net/listener.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <vector>

#include "shard_thread.h"

using namespace ringfence;
using namespace ringfence::net;
using net_test::ShardThread;

namespace {

struct Folder {
  Folder() {
    char name[] = "/tmp/ringfence-listen-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Folder() {
    std::error_code error;
    std::filesystem::remove_all(path, error);
  }
  std::string path;
};
Address any_port() { return numeric_address("127.0.0.1", 0).value(); }
int dial(const Address& address) {
  int fd = ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(fd >= 0);
  if (::connect(fd, address.get(), address.size) == 0) return fd;
  int error = errno;
  ::close(fd);
  return -error;
}
// Lets go of every accepted connection at once.
struct Accepting {
  explicit Accepting(ShardThread& owner, int fd) : thread(owner) {
    thread.run([&] {
      listener = std::make_unique<Listener>(thread.shard, fd, [this](int accepted) {
        ++count;
        ::close(accepted);
      });
    });
  }
  ~Accepting() {
    thread.run([&] { listener->stop(); });
    CHECK(thread.wait_until([&] { return listener->is_stopped(); }));
    thread.run([&] { listener.reset(); });
  }
  ShardThread& thread;
  std::unique_ptr<Listener> listener;
  int count = 0;  // The shard's.
};

}  // namespace

TEST_CASE("an address that is taken is named, with the setting to change") {
  auto first = listen(any_port(), "listeners[0].address");
  REQUIRE(first);
  Address taken = local_address(*first);
  auto second = listen(taken, "admin.listen");
  REQUIRE_FALSE(second);
  CHECK(second.error().fault == Fault::conflict);
  CHECK(second.error().message ==
        to_string(taken) + " is taken by another process; change admin.listen or stop that process");
  ::close(*first);
  auto third = listen(taken, "admin.listen");
  REQUIRE(third);
  ::close(*third);
}

TEST_CASE("an address that is not this machine's is named, with its setting") {
  auto address = numeric_address("192.0.2.1", 5432);  // RFC 5737: for documentation, nobody's.
  REQUIRE(address);
  auto refused = listen(*address, "listeners[0].address");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("192.0.2.1:5432 (listeners[0].address)") != std::string::npos);
  CHECK(refused.error().errno_value == EADDRNOTAVAIL);
}

TEST_CASE("a Unix socket that nobody answers on is replaced, one that is in use is not") {
  Folder folder;
  auto address = unix_address(folder.path + "/.s.PGSQL.5432");
  REQUIRE(address);
  auto left_behind = listen(*address, "listeners[0].address");
  REQUIRE(left_behind);
  auto refused = listen(*address, "listeners[0].address");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().fault == Fault::conflict);
  ::close(*left_behind);  // As after a kill: the file stays.
  auto again = listen(*address, "listeners[0].address");
  REQUIRE_MESSAGE(again, again.error().message);
  int client = dial(*address);
  CHECK(client >= 0);
  ::close(client);
  ::close(*again);
}

TEST_CASE("a file that is no socket is not taken away for one") {
  Folder folder;
  std::string path = folder.path + "/.s.PGSQL.5432";
  FILE* file = std::fopen(path.c_str(), "w");
  REQUIRE(file != nullptr);
  std::fclose(file);
  auto refused = listen(unix_address(path).value(), "listeners[0].address");
  if (refused) ::close(*refused);
  struct stat status{};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK(S_ISREG(status.st_mode));
  CHECK_FALSE(refused);
}

TEST_CASE("each connection is handed over once") {
  ShardThread thread;
  int fd = listen(any_port(), "x").value();
  Address address = local_address(fd);
  Accepting accepting(thread, fd);
  for (int i = 0; i < 200; ++i) {
    int client = dial(address);
    REQUIRE(client >= 0);
    ::close(client);
  }
  CHECK(thread.wait_until([&] { return accepting.count == 200; }));
}

TEST_CASE(
    "a listener that is stopped while clients come lets the address go, and once it has stopped hands over "
    "no more") {
  for (int round = 0; round < 20; ++round) {
    ShardThread thread;
    int fd = listen(any_port(), "x").value();
    Address address = local_address(fd);
    int count_at_stop = 0;
    {
      Accepting accepting(thread, fd);
      std::atomic<bool> is_over = false;
      std::thread clients([&] {
        while (!is_over) {
          int client = dial(address);
          if (client >= 0) ::close(client);
        }
      });
      CHECK(thread.wait_until([&] { return accepting.count > round; }));
      thread.run([&] {
        accepting.listener->stop();
        accepting.listener->stop();  // Idempotent.
      });
      // Whoever was accepted until then is still handed over.
      CHECK(thread.wait_until([&] { return accepting.listener->is_stopped(); }));
      thread.run([&] { count_at_stop = accepting.count; });
      is_over = true;
      clients.join();
      int count = 0;
      thread.run([&] { count = accepting.count; });
      CHECK(count == count_at_stop);
    }
    CHECK(dial(address) == -ECONNREFUSED);
    auto again = listen(address, "x");
    CHECK_MESSAGE(again, again.error().message);
    if (again) ::close(*again);
  }
}

TEST_CASE("a listener may be destroyed before the kernel has let go of its accept") {
  ShardThread thread;
  int fd = listen(any_port(), "x").value();
  Address address = local_address(fd);
  thread.run([&] { Listener listener(thread.shard, fd, [](int accepted) { ::close(accepted); }); });
  CHECK(thread.wait_until([&] {
    int client = dial(address);
    if (client >= 0) ::close(client);
    return client == -ECONNREFUSED;
  }));
}
