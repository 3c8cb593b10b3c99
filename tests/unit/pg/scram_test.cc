#include <doctest/doctest.h>

#include <map>
#include <set>
#include <string>

#include "ringfence/base/base64.h"
#include "ringfence/pg/scram.h"
#include "ringfence/pg/scram_shapes.h"

using namespace ringfence;
using namespace ringfence::pg;

namespace {

// RFC 7677, section 3: user "user", password "pencil".
const std::string rfc_client_nonce = "rOprNGfwEbeRWgbNEkqO";
const std::string rfc_server_nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const std::string rfc_client_first = "n,,n=user,r=" + rfc_client_nonce;
const std::string rfc_server_first =
    "r=" + rfc_client_nonce + rfc_server_nonce + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const std::string rfc_client_final =
    "c=biws,r=" + rfc_client_nonce + rfc_server_nonce + ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const std::string rfc_server_final = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

std::string salt() { return base64_decode("W22ZaJ0SNY7soEsUEjb6gQ==").value(); }
ScramVerifier rfc_verifier() { return make_scram_verifier("pencil", salt(), 4096); }
ScramVerifier quick_verifier() { return make_scram_verifier("pencil", "salt", 2); }

// A whole login between our two sides.
Result<void> log_in(ScramServer& server, ScramClient& client, std::string_view password) {
  auto server_first = server.challenge(client.first());
  if (!server_first) return unexpected(server_first.error());
  auto challenge = client.take_challenge(*server_first);
  if (!challenge) return unexpected(challenge.error());
  auto server_final =
      server.verify(client.final(derive_scram_keys(password, challenge->salt, challenge->iterations)));
  if (!server_final) return unexpected(server_final.error());
  return client.check(*server_final);
}

}  // namespace

TEST_CASE("the server speaks the example of RFC 7677") {
  ScramServer server(rfc_verifier(), rfc_server_nonce);
  CHECK(server.challenge(rfc_client_first).value() == rfc_server_first);
  CHECK(server.verify(rfc_client_final).value() == rfc_server_final);
}

TEST_CASE("both sides agree, also with channel binding, and refuse a wrong password") {
  const auto none = ScramClientBinding::Use::unsupported;
  for (auto use : {none, ScramClientBinding::Use::not_offered, ScramClientBinding::Use::bound}) {
    const bool plus = use == ScramClientBinding::Use::bound;
    const ScramServerBinding offered{plus, plus, "hash"};
    ScramServer server(quick_verifier(), "server", offered);
    ScramClient client("client", {use, "hash"});
    CHECK(log_in(server, client, "pencil"));
    ScramServer second_server(quick_verifier(), "server", offered);
    ScramClient wrong("client", {use, "hash"});
    auto refused = log_in(second_server, wrong, "pencils");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().fault == Fault::denied);
  }
}

TEST_CASE("channel binding cannot be stripped, swapped or faked") {
  using Use = ScramClientBinding::Use;
  auto attempt = [](ScramServerBinding offered, ScramClientBinding used) {
    ScramServer server(quick_verifier(), "server", offered);
    ScramClient client("client", used);
    return log_in(server, client, "pencil").has_value();
  };
  CHECK(attempt({true, false, "hash"}, {Use::unsupported, ""}));
  CHECK_FALSE(attempt({true, false, "hash"}, {Use::not_offered, ""}));
  CHECK_FALSE(attempt({true, true, "hash"}, {Use::bound, "other"}));
  CHECK_FALSE(attempt({true, true, "hash"}, {Use::unsupported, ""}));
  CHECK_FALSE(attempt({true, true, "hash"}, {Use::not_offered, ""}));
  CHECK_FALSE(attempt({true, false, "hash"}, {Use::bound, "hash"}));
  CHECK_FALSE(attempt({false, false, ""}, {Use::bound, ""}));
}

TEST_CASE("the server refuses malformed first messages") {
  for (std::string_view message : {"",
                                   "n",
                                   "n,",
                                   "n,,",
                                   "n,,r=x",
                                   "n,,n=u",
                                   "n,,n=u,",
                                   "n,,n=u,r=",
                                   "n,,n=u,r=a b",
                                   "n,a=x,n=u,r=x",
                                   "x,,n=u,r=x",
                                   "p=tls-unique,,n=u,r=x",
                                   "p=tls-server-end-point,,n=u,r=x",
                                   "n,,m=x,n=u,r=x",
                                   "n,,n=u,r=x,m=1",
                                   "n,,n=u,r=x,",
                                   "n,,n=u,r=x,e",
                                   "nn,,n=u,r=x",
                                   "n,,n=u,x=1,r=x",
                                   "n,,n=u,r=\xc3\xa9"}) {
    CAPTURE(message);
    ScramServer server(quick_verifier(), "server");
    auto reply = server.challenge(message);
    REQUIRE_FALSE(reply);
    CHECK(reply.error().fault == Fault::malformed);
  }
  ScramServer server(quick_verifier(), "server");
  CHECK_FALSE(server.challenge("n,,n=u,r=" + std::string(scram_client_message_max, 'x')));
  ScramServer with_nul(quick_verifier(), "server");
  CHECK_FALSE(with_nul.challenge(ByteView("n,,n=u\0,r=x", 11)));
  ScramServer extended(quick_verifier(), "server");
  CHECK(extended.challenge("n,,n=u,r=x,z=future").value().substr(0, 10) == "r=xserver,");
}

TEST_CASE("the server refuses each truncation and each changed byte of the final message") {
  for (size_t size = 0; size < rfc_client_final.size(); ++size) {
    ScramServer server(rfc_verifier(), rfc_server_nonce);
    REQUIRE(server.challenge(rfc_client_first));
    REQUIRE_FALSE(server.verify(rfc_client_final.substr(0, size)));
    size += size < 60 ? 6 : 1;
  }
  const ScramVerifier verifier = quick_verifier();
  ScramClient client("client");
  const std::string first = client.first();
  ScramServer model(verifier, "server");
  REQUIRE(client.take_challenge(model.challenge(first).value()));
  const std::string final = client.final(derive_scram_keys("pencil", "salt", 2));
  for (size_t i = 0; i < final.size(); ++i) {
    std::string changed = final;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    ScramServer server(verifier, "server");
    REQUIRE(server.challenge(first));
    REQUIRE_FALSE(server.verify(changed));
  }
  for (std::string_view tail : {",", ",x=1", "=", ",p="}) {
    ScramServer server(verifier, "server");
    REQUIRE(server.challenge(first));
    REQUIRE_FALSE(server.verify(final + std::string(tail)));
  }
}

TEST_CASE("the client speaks like libpq and checks the server's signature") {
  ScramClient client(rfc_client_nonce);
  CHECK(client.first() == "n,,n=,r=" + rfc_client_nonce);
  auto challenge = client.take_challenge(rfc_server_first);
  REQUIRE(challenge);
  CHECK(challenge->salt == salt());
  CHECK(challenge->iterations == 4096);
  const ScramKeys keys = derive_scram_keys("pencil", challenge->salt, challenge->iterations);
  CHECK(client.final(keys).substr(0, 7) == "c=biws,");
  auto wrong = client.check("v=" + base64_encode(std::string(32, 'x')));
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().fault == Fault::denied);
}

TEST_CASE("the client refuses malformed challenges and unreasonable iteration counts") {
  struct Example {
    std::string message;
    Fault fault;
  };
  for (const Example& e :
       {Example{"", Fault::malformed}, Example{"r=client,s=YQ==,i=1", Fault::malformed},
        Example{"r=other1,s=YQ==,i=1", Fault::malformed}, Example{"r=client1,s=,i=1", Fault::malformed},
        Example{"r=client1,s=*,i=1", Fault::malformed}, Example{"r=client1,s=YQ==", Fault::malformed},
        Example{"r=client1,s=YQ==,i=", Fault::malformed}, Example{"r=client1,s=YQ==,i=0", Fault::malformed},
        Example{"r=client1,s=YQ==,i=-1", Fault::malformed},
        Example{"r=client1,s=YQ==,i=1x", Fault::malformed},
        Example{"r=client1,s=YQ==,i=1000001", Fault::limit},
        Example{"r=client1,s=YQ==,i=99999999999", Fault::limit},
        Example{"r=client1,s=YQ==,i=1,m=x", Fault::malformed},
        Example{"m=x,r=client1,s=YQ==,i=1", Fault::malformed}, Example{"e=other-error", Fault::malformed}}) {
    CAPTURE(e.message);
    ScramClient client("client");
    client.first();
    auto challenge = client.take_challenge(e.message);
    REQUIRE_FALSE(challenge);
    CHECK(challenge.error().fault == e.fault);
  }
  for (std::string_view message : {"", "v=", "v=YQ==", "x=1", "e=invalid-proof", "v"}) {
    ScramClient client("client");
    client.first();
    REQUIRE(client.take_challenge("r=client1,s=YQ==,i=1"));
    client.final(derive_scram_keys("p", "a", 1));
    CHECK_FALSE(client.check(message));
  }
}

TEST_CASE("verifiers round-trip in PostgreSQL's text form and anything else is refused") {
  const ScramVerifier verifier = rfc_verifier();
  const std::string text = format_scram_verifier(verifier);
  CHECK(text ==
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
        "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
  auto parsed = parse_scram_verifier(text);
  REQUIRE(parsed);
  CHECK(parsed->iterations == 4096);
  CHECK(parsed->salt == verifier.salt);
  CHECK(parsed->stored_key == verifier.stored_key);
  CHECK(parsed->server_key == verifier.server_key);
  for (size_t size = 0; size < text.size(); ++size) CHECK_FALSE(parse_scram_verifier(text.substr(0, size)));
  CHECK_FALSE(parse_scram_verifier(text + "="));
  CHECK_FALSE(parse_scram_verifier("md53175bce1d3201d16594cebf9d7eb3f9d"));
  std::string zero = text;
  CHECK_FALSE(parse_scram_verifier(zero.replace(14, 4, "0")));
}

TEST_CASE(
    "users who do not exist look like those who do, in the same proportion, and go on doing so when others "
    "come") {
  const auto verifier = [](uint32_t iterations, size_t salt_size) {
    ScramVerifier out;
    out.iterations = iterations;
    out.salt = std::string(salt_size, 's');
    return out;
  };
  const auto name = [](int i) { return "user" + std::to_string(i); };
  CHECK(ScramShapes().shape_of("secret", "nobody") == ScramShape{});
  ScramShapes shapes;
  for (int i = 0; i < 30; ++i) shapes.add(verifier(4096, 16));
  for (int i = 0; i < 60; ++i) shapes.add(verifier(10'000, 16));
  for (int i = 0; i < 10; ++i) shapes.add(verifier(10'000, 40));
  std::map<ScramShape, int> seen;
  for (int i = 0; i < 2'000; ++i) ++seen[shapes.shape_of("secret", name(i))];
  CHECK(seen.size() == 3);
  CHECK(seen[{4096, 16}] > 500);
  CHECK(seen[{4096, 16}] < 700);
  CHECK(seen[{10'000, 16}] > 1'100);
  CHECK(seen[{10'000, 40}] > 120);
  CHECK(shapes.shape_of("secret", name(1)) == shapes.shape_of("secret", name(1)));
  int differing = 0, moved = 0;
  ScramShapes more = shapes;
  more.add(verifier(4096, 16));
  for (int i = 0; i < 2'000; ++i) {
    differing += shapes.shape_of("secret", name(i)) != shapes.shape_of("other", name(i));
    moved += shapes.shape_of("secret", name(i)) != more.shape_of("secret", name(i));
  }
  CHECK(differing > 500);
  CHECK(moved < 60);
  const ScramVerifier mock = mock_scram_verifier("secret", "nobody", {10'000, 40});
  CHECK(mock.iterations == 10'000);
  CHECK(mock.salt.size() == 40);
  CHECK(mock.salt.substr(0, 8) != mock.salt.substr(32));
  // A user of ours whose verifier we make has the salt that its name had before.
  CHECK(scram_salt_of("secret", "nobody") == mock_scram_verifier("secret", "nobody").salt);
}

TEST_CASE("each shape that is kept costs time, so there is a bound on them") {
  ScramShapes shapes;
  ScramVerifier verifier;
  for (uint32_t i = 1; i <= 10'000; ++i) {
    verifier.iterations = i;
    shapes.add(verifier);
  }
  std::set<uint32_t> seen;
  for (int i = 0; i < 1'000; ++i) seen.insert(shapes.shape_of("secret", std::to_string(i)).iterations);
  CHECK(seen.size() <= ScramShapes::shapes_max);
}

TEST_CASE("unknown users get the same challenge each time and no password fits") {
  const ScramVerifier mock = mock_scram_verifier("secret", "nobody");
  CHECK(mock.salt == mock_scram_verifier("secret", "nobody").salt);
  CHECK(mock.salt != mock_scram_verifier("secret", "somebody").salt);
  CHECK(mock.salt != mock_scram_verifier("other", "nobody").salt);
  CHECK(mock.salt.size() == scram_salt_size);
  CHECK(mock.iterations == scram_iterations_default);
  // Even keys that happen to fit do not open it.
  ScramVerifier fitting = quick_verifier();
  fitting.is_mock = true;
  ScramServer server(fitting, "server");
  ScramClient client("client");
  auto refused = log_in(server, client, "pencil");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().fault == Fault::denied);
  CHECK(refused.error().message == "password authentication failed");
}

TEST_CASE("any of several secrets of one salt may be proved, and the server says which one it was") {
  const auto secret_of = [](const char* password) {
    const ScramVerifier made = make_scram_verifier(password, "salt", 2);
    return ScramSecret{made.stored_key, made.server_key};
  };
  std::vector<ScramSecret> others = {secret_of("first"), secret_of("second"), secret_of("dead")};
  others[2].is_mock = true;
  const std::vector<std::string> all = {"pencil", "first", "second"};
  for (size_t i = 0; i < all.size(); ++i) {
    ScramServer server(quick_verifier(), "server", {}, others);
    ScramClient client("client");
    // The client checks the server's signature by its own secret.
    CHECK(log_in(server, client, all[i]));
    CHECK(server.proven() == i);
  }
  for (const char* wrong : {"pencils", "dead", ""}) {
    ScramServer server(quick_verifier(), "server", {}, others);
    ScramClient client("client");
    auto refused = log_in(server, client, wrong);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().fault == Fault::denied);
  }
}

TEST_CASE("a user without a password may have other secrets") {
  ScramVerifier none = quick_verifier();
  none.is_mock = true;
  const ScramVerifier key = make_scram_verifier("key", "salt", 2);
  for (const char* password : {"key", "pencil"}) {
    ScramServer server(none, "server", {}, {{key.stored_key, key.server_key}});
    ScramClient client("client");
    CHECK(log_in(server, client, password).has_value() == (std::string(password) == "key"));
  }
}

TEST_CASE("passwords are prepared as PostgreSQL does") {
  CHECK(prepare_password("pencil") == "pencil");
  CHECK(prepare_password("a\x01 b") == "a\x01 b");
  CHECK(prepare_password("I\xc2\xadX") == "IX");              // RFC 4013, section 3: soft hyphen.
  CHECK(prepare_password("\xc2\xaa") == "a");                 // NFKC.
  CHECK(prepare_password("\xe2\x85\xa8") == "IX");            // Roman numeral nine.
  CHECK(prepare_password("a\xc2\xa0z") == "a z");             // Non-ASCII space.
  CHECK(prepare_password("\xc2\xad") == "\xc2\xad");          // Nothing would remain.
  CHECK(prepare_password("\xd8\xa7\x31") == "\xd8\xa7\x31");  // Mixed directions are prohibited.
  CHECK(prepare_password("\xc3\xa4\xff") == "\xc3\xa4\xff");  // Not UTF-8.
  CHECK(prepare_password("a\xcd\x80"
                         "b") ==
        "a\xcd\x80"
        "b");                                                 // Prohibited, although NFKC would replace it.
  CHECK(prepare_password("\xef\xac\x81x") == "fix");          // A ligature.
  CHECK(prepare_password("\xc3\xa4\x07") == "\xc3\xa4\x07");  // A control character.
}

TEST_CASE("md5 answers are PostgreSQL's") {
  // md5(md5("secret" "ann") "salt"), computed with PostgreSQL's md5().
  CHECK(md5_password("ann", "secret", {'s', 'a', 'l', 't'}).value() == "md5b8f5ba9f485dba302ec0963f7ee9ba8f");
}
