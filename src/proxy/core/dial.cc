#include "ringfence/proxy/core/dial.h"

#include <optional>
#include <utility>

#include "ringfence/net/socket_stream.h"
#include "ringfence/proxy/core/opening_story.h"

namespace ringfence::proxy {

using ring::Task;

namespace {

// On a worker. The resolver cannot be stopped: when the opening ends before it does, its answer is nobody's.
Task<Result<std::vector<net::Address>>> look_up(ShardCore& core, std::string name, uint16_t port,
                                                Opening& opening) {
  struct Answer {
    ring::Event done;
    std::optional<Result<std::vector<net::Address>>> found;
  };
  auto answer = std::make_shared<Answer>();
  const bool is_posted = core.workers.logins.post([answer, name, port, &home = core.shard] {
    auto found = std::make_shared<Result<std::vector<net::Address>>>(net::resolve(name, port));
    const auto tell = [answer, found] {
      answer->found = std::move(*found);
      answer->done.set();
    };
    home.deliver(tell);
  });
  if (!is_posted) co_return fail(Fault::unavailable, "too many name look-ups wait");
  Opening::Break breaking(opening, [answer] { answer->done.set(); });
  ring::Event& done = answer->done;
  co_await done;
  if (!answer->found) co_return fail(Fault::timeout, "the name \"" + name + "\" was not resolved in time");
  co_return std::move(*answer->found);
}

}  // namespace

Task<Result<Dialled>> dial_address(ShardCore& core, net::Address address, std::string host,
                                   Opening& opening) {
  net::Connecting connecting(core.shard, address, 0);
  Opening::Break breaking(opening, [&connecting] { connecting.cancel(); });
  if (opening.is_over()) co_return fail(Fault::timeout, std::string(opening_is_over));
  auto running = connecting.run();
  auto stream = co_await running;
  if (!stream && opening.has_passed())
    co_return fail(Fault::timeout, "no connection to " + net::to_string(address) + " in time");
  if (!stream) co_return unexpected(std::move(stream).error());
  Dialled dialled{std::move(*stream), address, std::move(host)};
  co_return std::move(dialled);
}

Task<Result<Dialled>> dial_hosts(ShardCore& core, const std::vector<std::string>& hosts, uint16_t port,
                                 std::string socket, Opening& opening) {
  return dial_hosts_told(core, hosts, port, std::move(socket), opening, nullptr);
}

Task<Result<Dialled>> dial_hosts_told(ShardCore& core, const std::vector<std::string>& hosts, uint16_t port,
                                      std::string socket, Opening& opening, OpeningStory* story) {
  Error last{Fault::unavailable, "no host is configured", 0};
  for (const std::string& host : hosts) {
    std::vector<net::Address> addresses;
    if (host.starts_with('/')) {
      auto address = net::unix_address(host + socket);
      if (address) addresses.push_back(*address);
      else last = address.error();
    } else if (auto numeric = net::numeric_address(host, port)) {
      addresses.push_back(*numeric);
    } else {
      auto looking_up = look_up(core, host, port, opening);
      auto found = co_await looking_up;
      if (!found) last = found.error();
      else addresses = std::move(*found);
    }
    if (story != nullptr && addresses.empty()) story->note({host, "", last.message});
    for (const net::Address& address : addresses) {
      if (opening.is_over()) break;
      auto dialling = dial_address(core, address, host, opening);
      auto dialled = co_await dialling;
      if (story != nullptr)
        story->note({host, net::to_string(address), dialled ? "" : dialled.error().message});
      if (dialled) co_return std::move(dialled);
      last = dialled.error();
    }
    if (opening.is_over()) co_return fail(Fault::timeout, "no host answered in time; last: " + last.message);
  }
  co_return unexpected(std::move(last));
}

}  // namespace ringfence::proxy
