// Messages held and replaced, whatever the pieces in which they come.
#include "proxy/pg/rewriter.h"

#include <doctest/doctest.h>

#include <random>
#include <vector>

using namespace ringfence;
using namespace ringfence::proxy;

TEST_CASE("what is passed goes on byte for byte, and what is replaced does not, in pieces of any size") {
  std::mt19937_64 random(7);
  for (int round = 0; round < 2'000; ++round) {
    struct Message {
      std::string bytes;
      bool is_held, is_replaced;
    };
    std::vector<Message> messages;
    std::string input, expected;
    for (int i = 0; i < 6; ++i) {
      Message message;
      message.bytes = std::string(1 + random() % 12, static_cast<char>('a' + i));
      message.is_held = random() % 2 == 0;
      message.is_replaced = message.is_held && random() % 2 == 0;
      input += message.bytes;
      expected += message.is_replaced ? "<" + std::to_string(i) + ">" : message.bytes;
      messages.push_back(message);
    }
    Rewriter rewriter;
    std::string output;
    size_t sent = 0, index = 0, inside = 0;  // `inside`: bytes of the message that came before.
    while (sent < input.size()) {
      const std::string chunk = input.substr(sent, 1 + random() % 15);
      sent += chunk.size();
      rewriter.begin(chunk);
      size_t at = 0;
      while (at < chunk.size()) {
        const Message& message = messages[index];
        const size_t piece = std::min(message.bytes.size() - inside, chunk.size() - at);
        const size_t begin = at;
        at += piece;
        inside += piece;
        rewriter.note_end(at);
        if (inside < message.bytes.size()) {
          if (message.is_held) rewriter.hold(begin, at);
          else rewriter.pass(at);
          continue;
        }
        if (message.is_replaced) rewriter.replace(begin, at, "<" + std::to_string(index) + ">");
        else rewriter.pass(at);
        inside = 0;
        ++index;
      }
      output += rewriter.finish();
    }
    REQUIRE(output == expected);
  }
}

TEST_CASE("a chunk in which nothing is held or replaced goes on where it lies") {
  Rewriter rewriter;
  const std::string chunk = "abc";
  rewriter.begin(chunk);
  rewriter.pass(3);
  CHECK(rewriter.finish().data() == chunk.data());
}
