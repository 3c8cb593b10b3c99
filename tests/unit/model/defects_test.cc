// Each defect once, of a value that is made here.
#include <doctest/doctest.h>

#include <functional>

#include "found.h"
#include "ringfence/model/limits.h"
#include "ringfence/model/listener.h"
#include "ringfence/model/pg_target.h"
#include "ringfence/model/policy_rules.h"
#include "ringfence/model/tcp_target.h"
#include "ringfence/model/text_rules.h"
#include "ringfence/model/user.h"
#include "ringfence/pg/scram.h"

using namespace ringfence;
using namespace ringfence::model;

namespace {

User good_user() {
  User user;
  user.name = "ada";
  user.verifier = Secret(pg::format_scram_verifier(pg::make_scram_verifier("x", "0123456789abcdef", 1)));
  return user;
}

Listener good_listener() {
  Listener listener;
  listener.name = "main";
  return listener;
}

PgTarget good_target() {
  PgTarget target;
  target.name = target.database = "shop";
  target.hosts = {"db1"};
  target.user = "app";
  return target;
}

// What a change makes of a good value.
template <typename Value>
std::string after(Value value, const std::function<void(Value&)>& change) {
  CHECK(defects(value).empty());
  change(value);
  return only(defects(value));
}
std::string user(const std::function<void(User&)>& change) { return after(good_user(), change); }
std::string listener(const std::function<void(Listener&)>& change) { return after(good_listener(), change); }
std::string target(const std::function<void(PgTarget&)>& change) { return after(good_target(), change); }
std::string limits(const std::function<void(Limits&)>& change) { return after(Limits(), change); }
std::string records(const std::function<void(RecordLimits&)>& change) {
  return after(RecordLimits(), change);
}
std::string policy_of(const std::function<void(policy::Policy&)>& change) {
  return after(policy::Policy(), change);
}

std::vector<policy::Text> many(size_t count) { return std::vector<policy::Text>(count); }

}  // namespace

TEST_CASE("a user has a name that PostgreSQL takes, a verifier and at most 64 roles") {
  CHECK(user([](User& one) { one.name = ""; }) == "name: is missing; add it");
  starts(user([](User& one) { one.name = "a\a"; }), "name: is no name that PostgreSQL takes; use 1 to 63");
  starts(user([](User& one) { one.name = std::string(64, 'a'); }), "name: is no name");
  starts(user([](User& one) { one.name = "\xff"; }), "name: is no name");
  CHECK(user([](User& one) { one.roles.resize(65); }) == "roles: has more than 64 entries");
  CHECK(user([](User& one) { one.verifier = {}; }) ==
        "password: is missing; add password, password_file or verifier");
  starts(user([](User& one) { one.verifier = "md5abc"; }),
         "verifier: is no SCRAM verifier; copy rolpassword");
  CHECK(check_password(Secret(std::string(1024, 'x'))).empty());
  CHECK(check_password(Secret(std::string(1025, 'x'))) == "is longer than 1024 bytes; use a shorter one");
}

TEST_CASE("a listener has a simple name and a place to listen on") {
  CHECK(listener([](Listener& one) { one.name = ""; }) == "name: is missing; add it");
  starts(listener([](Listener& one) { one.name = "a b"; }), "name: is \"a b\"; use 1 to 64 letters, digits");
  CHECK(listener([](Listener& one) { one.protocol = "gopher"; }) ==
        "protocol: is \"gopher\"; use postgres or tcp");
  starts(listener([](Listener& one) { one.address = "localhost"; }),
         "address: is \"localhost\"; use an IP address");
  CHECK(listener([](Listener& one) { one.connections_max = 1'000'001; }) ==
        "connections_max: is 1000001; use a whole number from 0 to 1000000");
  const auto at_path = [](Listener& one) {
    one.path = "/run/x", one.address = "", one.tls = ListenerTls::off;
  };
  Listener by_path = good_listener();
  at_path(by_path);
  CHECK(defects(by_path).empty());
  starts(listener([&](Listener& one) { at_path(one), one.path = "here"; }),
         "path: must be an absolute path of at most 107 bytes");
  starts(listener([&](Listener& one) { at_path(one), one.path += std::string(107, 'x'); }),
         "path: must be an absolute path");
  starts(listener([&](Listener& one) { at_path(one), one.tls = ListenerTls::require; }),
         "tls: has no meaning beside a path");
}

TEST_CASE("what a listener says of TLS fits together") {
  CHECK(listener([](Listener& one) { one.tls_files.certificate = "/c"; }) ==
        "tls_certificate_file: stands without tls_key_file; add it");
  CHECK(listener([](Listener& one) { one.tls_files.key = "/k"; }) ==
        "tls_key_file: stands without tls_certificate_file; add it");
  starts(listener([](Listener& one) { one.tls = ListenerTls::verify; }),
         "tls: is verify, which checks clients' certificates; add tls_client_ca_file");
  const std::string without_ca = "has no meaning without tls_client_ca_file; add it or remove this";
  CHECK(listener([](Listener& one) { one.tls_files.crl = "/r"; }) == "tls_crl_file: " + without_ca);
  CHECK(listener([](Listener& one) { one.certificate_users = {{"X", "x"}}; }) ==
        "tls_client_users: " + without_ca);
  const auto verified = [](Listener& one) {
    one.tls = ListenerTls::verify;
    one.tls_files.ca = "/ca";
    one.certificate_users = {{"X", "x"}};
  };
  Listener whole = good_listener();
  verified(whole);
  CHECK(defects(whole).empty());
  starts(listener([&](Listener& one) { verified(one), one.certificate_users[0].first = ""; }),
         "tls_client_users[0].certificate: is missing; give the name");
  starts(listener([&](Listener& one) { verified(one), one.certificate_users[0].second = ""; }),
         "tls_client_users[0].user: is no name that PostgreSQL takes");
  CHECK(listener([&](Listener& one) { verified(one), one.certificate_users.resize(10'001, {"X", "x"}); }) ==
        "tls_client_users: has more than 10000 entries");
  const std::string while_off = "has no meaning while tls is off; set tls or remove it";
  const auto off = [](Listener& one) { one.tls = ListenerTls::off; };
  CHECK(listener([&](Listener& one) { off(one), one.tls_files.ca = "/ca"; }) ==
        "tls_client_ca_file: " + while_off);
  CHECK(listener([&](Listener& one) { off(one), one.tls_files.crl = "/r"; }) == "tls_crl_file: " + while_off);
  CHECK(listener([&](Listener& one) { off(one), one.certificate_users = {{"X", "x"}}; }) ==
        "tls_client_users: " + while_off);
}

TEST_CASE("a target has a name, hosts, a database and a user") {
  CHECK(target([](PgTarget& one) { one.name = one.database = ""; }) == "name: is missing; add it");
  starts(target([](PgTarget& one) { one.name = "\n"; }), "name: is no name");
  starts(target([](PgTarget& one) { one.database = ""; }), "database: is no name");
  CHECK(target([](PgTarget& one) { one.user = ""; }) == "user: is missing; add it");
  starts(target([](PgTarget& one) { one.user = "\x1f"; }), "user: is no name");
  CHECK(target([](PgTarget& one) { one.hosts.clear(); }) == "hosts: is missing; add host or hosts");
  CHECK(target([](PgTarget& one) { one.hosts.resize(17, "h"); }) == "hosts: has more than 16 entries");
  starts(target([](PgTarget& one) { one.hosts.push_back("a b"); }), "hosts[1]: is \"a b\"; use a host name");
  starts(target([](PgTarget& one) { one.hosts[0] = "/" + std::string(92, 'x'); }),
         "hosts[0]: is a socket directory with a name of more than 92 bytes");
  CHECK(target([](PgTarget& one) { one.port = 0; }) == "port: is 0; use a whole number from 1 to 65535");
  CHECK(target([](PgTarget& one) { one.connections_max = 1'000'001; }) ==
        "connections_max: is 1000001; use a whole number from 0 to 1000000");
  PgTarget others = good_target();
  others.hosts = {"10.0.0.1", "::1", "/run/postgresql", "db.example.org"};
  CHECK(defects(others).empty());
}

TEST_CASE("a target's credentials each have a user, and passwords are bounded") {
  const std::string long_password(1025, 'x');
  starts(target([&](PgTarget& one) { one.password = Secret(long_password); }),
         "password: is longer than 1024");
  CHECK(target([](PgTarget& one) { one.credentials[policy::Level::read] = {"", "x"}; }) ==
        "credentials.read.user: is missing; add the server's user of this level");
  starts(target([](PgTarget& one) { one.credentials[policy::Level::ddl] = {"\x01", {}}; }),
         "credentials.ddl.user: is no name");
  starts(target([&](PgTarget& one) { one.credentials[policy::Level::admin] = {"u", Secret(long_password)}; }),
         "credentials.admin.password: is longer than 1024");
}

TEST_CASE("what a target says of TLS fits together") {
  CHECK(target([](PgTarget& one) { one.tls_files.certificate = "/c"; }) ==
        "sslcert: stands without sslkey; add it");
  CHECK(target([](PgTarget& one) { one.tls_files.key = "/k"; }) == "sslkey: stands without sslcert; add it");
  const auto off = [](PgTarget& one) { one.sslmode = SslMode::disable; };
  starts(target([&](PgTarget& one) { off(one), one.channel_binding = ChannelBinding::require; }),
         "channel_binding: is require, which needs TLS");
  starts(target([&](PgTarget& one) { off(one), one.tls_files.ca = "/ca"; }),
         "sslrootcert: has no meaning while sslmode is disable");
  starts(target([&](PgTarget& one) { off(one), one.tls_files.crl = "/r"; }), "sslcrl: has no meaning while");
  starts(target([&](PgTarget& one) { off(one), one.tls_files.certificate = one.tls_files.key = "/c"; }),
         "sslcert: has no meaning while");
  starts(target([](PgTarget& one) { one.sslmode = SslMode::verify_ca; }),
         "sslmode: checks the server's certificate, so it needs sslrootcert");
  starts(target([](PgTarget& one) { one.tls_files.ca = "system"; }),
         "sslrootcert: is system, which means little");
  starts(target([](PgTarget& one) { one.tls_files.crl = "/r"; }),
         "sslcrl: has no meaning without sslrootcert");
}

TEST_CASE("a target's tags are words, each once") {
  starts(target([](PgTarget& one) { one.tags = {"a", "x y"}; }), "tags[1]: is no tag; use 1 to 64 bytes");
  starts(target([](PgTarget& one) { one.tags = {"x,y"}; }), "tags[0]: is no tag");
  starts(target([](PgTarget& one) { one.tags = {""}; }), "tags[0]: is no tag");
  starts(target([](PgTarget& one) { one.tags = {std::string(65, 'x')}; }), "tags[0]: is no tag");
  CHECK(target([](PgTarget& one) { one.tags = {"a", "b", "a"}; }) ==
        "tags[2]: \"a\" stands here for the second time; remove it");
  CHECK(target([](PgTarget& one) {
          for (int i = 0; i < 65; ++i) one.tags.push_back(std::to_string(i));
        }) == "tags: has more than 64 entries");
}

TEST_CASE("a target's pool is not larger than the target") {
  CHECK(target([](PgTarget& one) { one.pool = {2, 1}; }) == "pool.min: is 2, more than max; use at most 1");
  CHECK(target([](PgTarget& one) { one.pool.max = 5, one.connections_max = 4; }) ==
        "pool.max: is 5, more than connections_max of the target; use at most 4");
  CHECK(target([](PgTarget& one) { one.pool.max = 1'001; }) ==
        "pool.max: is 1001; use a whole number from 0 to 1000");
  CHECK(target([](PgTarget& one) { one.pool.idle_ms = 999; }) ==
        "pool.idle: is 999; use a whole number from 1000 to 86400000");
  CHECK_FALSE(defects([] {
                PgTarget one = good_target();
                one.pool = {1'001, 1'001};
                return one;
              }())
                  .empty());
}

TEST_CASE("limits are within their ranges") {
  CHECK(limits([](Limits& one) { one.connections_max = 0; }) ==
        "connections_max: is 0; use a whole number from 1 to 1000000");
  starts(limits([](Limits& one) { one.message_bytes_max = 65'535; }), "message_bytes_max: is 65535; use");
  starts(limits([](Limits& one) { one.prepared_bytes_max = (1 << 30) + 1; }), "prepared_bytes_max: ");
  starts(limits([](Limits& one) { one.startup_ms = 99; }), "startup_ms: is 99; use");
  starts(limits([](Limits& one) { one.authentication_ms = 3'600'001; }), "authentication_ms: ");
  starts(limits([](Limits& one) { one.connect_ms = 0; }), "connect_ms: ");
  starts(limits([](Limits& one) { one.idle_ms = 366 * day_ms; }), "idle_ms: ");
  starts(limits([](Limits& one) { one.idle_in_transaction_ms = 366 * day_ms; }), "idle_in_transaction_ms: ");
  starts(limits([](Limits& one) { one.drain_ms = 3'600'001; }), "drain_ms: ");
}

TEST_CASE("what is recorded is within what a record holds, and no budget is less than a record") {
  starts(records([](RecordLimits& one) { one.statement_bytes_max = 255; }), "statement_bytes_max: is 255");
  starts(records([](RecordLimits& one) { one.statement_bytes_max = 393'217; }), "statement_bytes_max: ");
  starts(records([](RecordLimits& one) { one.parameters_bytes_max = 196'609; }), "parameters_bytes_max: ");
  starts(records([](RecordLimits& one) { one.volume_per_user.bytes_per_s = mib - 1; }),
         "volume_per_user.bytes_per_s: is less than 1 MiB");
  starts(records([](RecordLimits& one) { one.volume_per_address.bytes_per_s = gib + 1; }),
         "volume_per_address.bytes_per_s: is 1073741825; use");
  starts(records([](RecordLimits& one) { one.volume_per_address.burst_bytes = mib - 1; }),
         "volume_per_address.burst_bytes: ");
  RecordLimits unbounded;
  unbounded.volume_per_user.bytes_per_s = 0;
  CHECK(defects(unbounded).empty());
}

TEST_CASE("a policy's texts and lists are bounded") {
  const std::string long_message(1'001, 'x');
  const auto rule = [](auto change) {
    policy::Rule out;
    change(out);
    return out;
  };
  const policy::Rule talkative = rule([&](policy::Rule& one) { one.message = long_message; });
  const std::string wrong = "message: is longer than the 1000 bytes that are shown";
  CHECK(policy_of([&](policy::Policy& one) { one.allow = {talkative}; }) == "allow[0]." + wrong);
  CHECK(policy_of([&](policy::Policy& one) { one.deny = {{}, talkative}; }) == "deny[1]." + wrong);
  CHECK(policy_of([&](policy::Policy& one) { one.hold.emplace_back().message = long_message; }) ==
        "hold[0]." + wrong);
  const std::string items = " has more than 10000 entries";
  CHECK(policy_of([](policy::Policy& one) { one.roles = many(10'001); }) == "roles:" + items);
  CHECK(policy_of([](policy::Policy& one) { one.tags = many(10'001); }) == "tags:" + items);
  CHECK(policy_of([](policy::Policy& one) { one.kinds = many(10'001); }) == "kinds:" + items);
  CHECK(policy_of([](policy::Policy& one) { one.functions = many(10'001); }) == "functions:" + items);
  CHECK(policy_of([](policy::Policy& one) { one.whitelist = many(10'001); }) == "whitelist:" + items);
  CHECK(policy_of([](policy::Policy& one) { one.deny.resize(1'001); }) == "deny: has more than 1000 entries");
  CHECK(policy_of([](policy::Policy& one) { one.allow.resize(1'001); }) ==
        "allow: has more than 1000 entries");
  CHECK(policy_of([](policy::Policy& one) { one.hold.resize(1'001); }) == "hold: has more than 1000 entries");
  CHECK(policy_of([&](policy::Policy& one) {
          one.deny = {rule([](policy::Rule& other) { other.kinds = many(10'001); })};
        }) == "deny[0].kinds:" + items);
  CHECK(policy_of([&](policy::Policy& one) {
          one.deny = {rule([](policy::Rule& other) { other.relations = many(10'001); })};
        }) == "deny[0].relations:" + items);
  CHECK(policy_of([&](policy::Policy& one) {
          one.deny = {rule([](policy::Rule& other) { other.columns = many(10'001); })};
        }) == "deny[0].columns:" + items);
  CHECK(policy_of([&](policy::Policy& one) {
          one.deny = {rule([](policy::Rule& other) { other.functions = many(10'001); })};
        }) == "deny[0].functions:" + items);
  CHECK(policy_of([](policy::Policy& one) {
          for (int i = 0; i < 101; ++i) one.metadata[std::to_string(i)] = "x";
        }) == "metadata: has more than 100 entries");
}

TEST_CASE("a listener of raw TCP says where to, and who its clients are") {
  const auto raw = [](const std::function<void(Listener&)>& change) {
    return listener([&change](Listener& one) {
      one.protocol = "tcp";
      one.tls = ListenerTls::off;
      one.target = "cache";
      one.network_users = {{"10.0.0.0/8", "ada"}};
      change(one);
    });
  };
  Listener good = good_listener();
  good.protocol = "tcp";
  good.tls = ListenerTls::off;
  good.target = "cache";
  good.network_users = {{"10.0.0.0/8", "ada"}};
  CHECK(defects(good).empty());
  CHECK(raw([](Listener& one) { one.target = ""; }) == "target: is missing; add it");
  starts(raw([](Listener& one) { one.tls = ListenerTls::prefer; }),
         "tls: is prefer, and a client of protocol tcp");
  starts(raw([](Listener& one) { one.network_users.clear(); }), "network_users: is missing, so nobody");
  starts(raw([](Listener& one) { one.network_users[0].network = "10.0.0.1/8"; }),
         "network_users[0].network: is");
  starts(raw([](Listener& one) { one.network_users[0].user = ""; }), "network_users[0].user: is missing");
  starts(raw([](Listener& one) { one.network_users.push_back({"010.0.0.0/8", "bob"}); }),
         "network_users[1].network: is");
  CHECK(raw([](Listener& one) { one.network_users.push_back({"::ffff:10.0.0.0/104", "bob"}); }) ==
        "network_users[1].network: ::ffff:10.0.0.0/104 stands here for the second time, first as "
        "network_users[0].network; a network is one user's");
  starts(raw([](Listener& one) { one.networks = {"unix"}; }),
         "networks[0]: is unix, and this listener has an address");
  starts(raw([](Listener& one) {
           one.path = "/run/x";
           one.address = "";
         }),
         "network_users[0].network: is a network, and the clients of a path");
  starts(listener([](Listener& one) { one.networks = {"10.0.0.0/8"}; }),
         "networks: is looked at with protocol tcp");
  starts(listener([](Listener& one) { one.network_users = {{"10.0.0.0/8", "ada"}}; }),
         "network_users: has no meaning");
  starts(listener([](Listener& one) { one.target = "cache"; }), "target: has no meaning");
  starts(raw([](Listener& one) {
           one.tls = ListenerTls::verify;
           one.tls_files.ca = "/ca";
         }),
         "tls_client_login: must be certificate");
}

TEST_CASE("a target of raw TCP has a server and a port") {
  const auto of = [](const std::function<void(TcpTarget&)>& change) {
    TcpTarget target;
    target.name = "cache";
    target.hosts = {"127.0.0.1"};
    target.port = 6379;
    change(target);
    return only(defects(target));
  };
  TcpTarget at_path;
  at_path.name = "cache";
  at_path.hosts = {"/run/redis.sock"};
  CHECK(defects(at_path).empty());
  CHECK(of([](TcpTarget& one) { one.name = ""; }) == "name: is missing; add it");
  CHECK(of([](TcpTarget& one) { one.hosts.clear(); }) == "hosts: is missing; add host or hosts");
  CHECK(of([](TcpTarget& one) { one.port = 0; }) == "port: is missing; add the server's port");
  CHECK(of([](TcpTarget& one) { one.tags = {"a", "a"}; }) ==
        "tags[1]: \"a\" stands here for the second time; remove it");
  starts(of([](TcpTarget& one) { one.duration_ms = ~uint64_t{0}; }), "duration_ms: is 18446744073709551615");
}
