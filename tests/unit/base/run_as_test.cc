#include "ringfence/base/run_as.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>

using namespace ringfence;

namespace {

constexpr uid_t stranger = 65534;

struct Folder {
  Folder() {
    char name[] = "/tmp/rf-run-as-XXXXXX";
    path = ::mkdtemp(name);
    ::chmod(path.c_str(), 0755);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string make(const std::string& name, mode_t mode) const {
    std::string file = path + "/" + name;
    ::close(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    return file;
  }
  std::string path;
};

bool can_write(const std::string& path) {
  int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd >= 0) ::close(fd);
  return fd >= 0;
}

}  // namespace

TEST_CASE("work as another user has that user's rights on files, and the caller keeps its own") {
  if (::geteuid() != 0) return;
  Folder folder;
  std::string file = folder.make("root", 0600);
  RunAs user{true, stranger, stranger, {stranger}, "nobody"};
  bool was_able = true;
  bool made_folder = true;
  auto done = as_user(user, [&]() -> Result<void> {
    was_able = can_write(file);
    made_folder = ::mkdir((folder.path + "/new").c_str(), 0700) == 0;
    // Still root to signals and to those who trace.
    CHECK(::geteuid() == 0);
    return fail(Fault::conflict, "its error comes through");
  });
  CHECK(!was_able);
  CHECK(!made_folder);
  REQUIRE(!done);
  CHECK(done.error().fault == Fault::conflict);
  CHECK(can_write(file));
}

TEST_CASE("work as oneself is done by the caller") {
  bool is_done = false;
  CHECK(as_user({}, [&]() -> Result<void> {
    is_done = true;
    return {};
  }));
  CHECK(is_done);
}

TEST_CASE("a folder is root's when nobody else may change it or the way to it") {
  if (::geteuid() != 0) return;
  Folder folder;
  const std::string inner = folder.path + "/inner";
  ::mkdir(inner.c_str(), 0755);
  CHECK(check_folder(inner));
  CHECK(check_folder(inner + "/"));
  CHECK(check_folder(inner + "/../inner/./"));
  CHECK(check_folder(inner + "/not/there/yet"));
  SUBCASE("its owner may") {
    CHECK(::chown(inner.c_str(), stranger, 0) == 0);
    auto found = check_folder(inner + "/below");
    REQUIRE(!found);
    CHECK(found.error().fault == Fault::denied);
    CHECK(found.error().message.find(inner + ", and") != std::string::npos);
  }
  SUBCASE("a group may, unless it is root's") {
    ::chmod(inner.c_str(), 0775);
    CHECK(check_folder(inner));
    CHECK(::chown(inner.c_str(), 0, stranger) == 0);
    ::chmod(inner.c_str(), 0775);
    CHECK(!check_folder(inner));
  }
  SUBCASE("all may: in a sticky folder names can be taken, and not exchanged") {
    ::chmod(inner.c_str(), 01777);
    CHECK(!check_folder(inner));
    CHECK(!check_folder(inner + "/"));
    CHECK(check_folder(inner, Sticky::allowed));
    CHECK(check_folder(inner + "/below"));
    ::chmod(inner.c_str(), 0777);
    CHECK(!check_folder(inner, Sticky::allowed));
  }
  SUBCASE("a link on the way is followed, and is somebody's too") {
    const std::string link = folder.path + "/link";
    std::filesystem::create_symlink("./inner", link);
    CHECK(check_folder(link));
    CHECK(::lchown(link.c_str(), stranger, 0) == 0);
    CHECK(!check_folder(link));
    CHECK(!check_folder(link + "/below"));
    const std::string second = folder.path + "/second";
    std::filesystem::create_symlink(inner, second);
    CHECK(check_folder(second));
    CHECK(::chown(inner.c_str(), stranger, 0) == 0);
    CHECK(!check_folder(second));
    const std::string loop = folder.path + "/loop";
    std::filesystem::create_symlink("loop", loop);
    CHECK(!check_folder(loop));
  }
}

TEST_CASE("root reads in another user's folder what that user could read, and through no link") {
  if (::geteuid() != 0) return;
  Folder folder;
  const std::string file = folder.make("file", 0644);
  auto missing = open_to_read(folder.path + "/missing");
  REQUIRE(!missing);
  CHECK(missing.error().fault == Fault::not_found);
  std::filesystem::create_symlink("file", folder.path + "/link");
  auto own = open_to_read(folder.path + "/link");
  REQUIRE(own);
  ::close(*own);
  CHECK(::chown(folder.path.c_str(), stranger, stranger) == 0);
  auto theirs = open_to_read(file);
  REQUIRE(theirs);
  ::close(*theirs);
  auto link = open_to_read(folder.path + "/link");
  REQUIRE(!link);
  CHECK(link.error().errno_value == ELOOP);
  ::chmod(file.c_str(), 0600);
  auto secret = open_to_read(file);
  REQUIRE(!secret);
  CHECK(secret.error().errno_value == EACCES);
  CHECK(::mkfifo((folder.path + "/fifo").c_str(), 0666) == 0);
  auto fifo = open_to_read(folder.path + "/fifo");
  REQUIRE(!fifo);
  CHECK(fifo.error().errno_value != 0);
}
