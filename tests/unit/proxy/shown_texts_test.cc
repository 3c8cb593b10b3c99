#include <doctest/doctest.h>

#include "proxy/pg/shown_texts.h"
#include "proxy/pg/watch_sample.h"

using namespace ringfence;
using proxy::ShownTexts;
using Shown = proxy::ShownTexts::Verdict;

namespace {

void send(ShownTexts& texts, std::string_view text) { texts.note(text, text.size()); }

ShownTexts at_rest_with(std::string_view text) {
  ShownTexts out;
  send(out, text);
  out.note_rest();
  return out;
}

std::string text_row(std::string_view id, const char* text, std::string_view is_cut) {
  auto field = [](std::string_view bytes) {
    std::string out{'\0', '\0', static_cast<char>(bytes.size() >> 8), static_cast<char>(bytes.size() & 255)};
    return out.append(bytes);
  };
  std::string out{'\0', '\3'};
  out += field(id);
  out += text == nullptr ? std::string(4, '\xff') : field(text);
  return out + field(is_cut);
}

}  // namespace

TEST_CASE("a session at rest shows its last text and no other") {
  const ShownTexts texts = at_rest_with("SELECT 1");
  CHECK(texts.compare("SELECT 1", false, texts.mark()) == Shown::fits);
  CHECK(texts.compare("SELECT 2", false, texts.mark()) == Shown::contradicts);
  CHECK(texts.compare("SELECT 1 ", false, texts.mark()) == Shown::contradicts);
  CHECK(texts.compare("SELECT", false, texts.mark()) == Shown::contradicts);
  CHECK(texts.compare("", false, texts.mark()) == Shown::contradicts);
  CHECK(texts.compare("SELECT", true, texts.mark()) == Shown::fits);
  CHECK(texts.newest() == "SELECT 1");
}

TEST_CASE("what was sent before the last rest is not shown any more") {
  ShownTexts texts = at_rest_with("SELECT 1");
  send(texts, "SELECT 2");
  CHECK(texts.compare("SELECT 1", false, texts.mark()) == Shown::fits);
  texts.note_rest();
  CHECK(texts.compare("SELECT 1", false, texts.mark()) == Shown::contradicts);
}

TEST_CASE("what comes behind the question may be shown too") {
  ShownTexts texts = at_rest_with("SELECT 1");
  const uint64_t mark = texts.mark();
  send(texts, "SELECT 2");
  texts.note_rest();
  send(texts, "SELECT 3");
  for (const char* shown : {"SELECT 1", "SELECT 2", "SELECT 3"})
    CHECK(texts.compare(shown, false, mark) == Shown::fits);
  CHECK(texts.compare("SELECT 4", false, mark) == Shown::contradicts);
}

TEST_CASE("behind an error texts may have been skipped") {
  ShownTexts texts = at_rest_with("SELECT 1");
  send(texts, "SELECT 1/0");
  send(texts, "SELECT 'skipped'");
  texts.note_error();
  texts.note_rest();
  CHECK(texts.compare("SELECT 1/0", false, texts.mark()) == Shown::fits);
  send(texts, "SELECT 5");
  texts.note_rest();
  CHECK(texts.compare("SELECT 1/0", false, texts.mark()) == Shown::contradicts);
}

TEST_CASE("where one of the texts is not known nothing contradicts") {
  ShownTexts fresh;
  CHECK(fresh.compare("", false, fresh.mark()) == Shown::unknown);
  CHECK(fresh.newest().empty());
  ShownTexts texts = at_rest_with("SELECT 1");
  texts.note_unknown();
  CHECK(texts.compare("SELECT 2", false, texts.mark()) == Shown::unknown);
  CHECK(texts.compare("SELECT 1", false, texts.mark()) == Shown::fits);
}

TEST_CASE("a session that has sent too much since is not compared") {
  ShownTexts texts = at_rest_with("SELECT 'first'");
  const uint64_t mark = texts.mark();
  for (size_t i = 0; i < ShownTexts::texts_max - 1; ++i) send(texts, "SELECT " + std::to_string(i));
  CHECK(texts.compare("SELECT 'other'", false, mark) == Shown::contradicts);
  send(texts, "SELECT 'last'");
  CHECK(texts.compare("SELECT 'other'", false, mark) == Shown::unknown);
}

TEST_CASE("one text many times takes one place") {
  ShownTexts texts = at_rest_with("SELECT 1");
  const uint64_t mark = texts.mark();
  for (int i = 0; i < 1000; ++i) send(texts, "SELECT 1");
  CHECK(texts.compare("SELECT 2", false, mark) == Shown::contradicts);
}

TEST_CASE("long texts are compared as far as both have them") {
  const std::string text = "SELECT '" + std::string(2'000, 'x') + "'";
  ShownTexts texts = at_rest_with(text);
  CHECK(texts.compare(std::string_view(text).substr(0, 1'023), true, texts.mark()) == Shown::fits);
  CHECK(texts.compare(std::string_view(text).substr(0, 99), true, texts.mark()) == Shown::fits);
  CHECK(texts.compare(std::string_view(text).substr(0, 99), false, texts.mark()) == Shown::contradicts);
  CHECK(texts.compare("DELETE FROM t", true, texts.mark()) == Shown::contradicts);
}

TEST_CASE("texts in two encodings are compared up to the first character that may differ") {
  const ShownTexts texts = at_rest_with("SELECT '\xc3\xa9', 1");
  CHECK(texts.compare("SELECT '\xe9', 1", false, texts.mark()) == Shown::fits);
  CHECK(texts.compare("DELETE '\xe9', 1", false, texts.mark()) == Shown::contradicts);
}

TEST_CASE("the rows of an answer") {
  const std::string shown = text_row("4711", "SELECT 1", "f");
  auto one = proxy::parse_watch_row(shown);
  REQUIRE(one);
  CHECK(one->process_id == 4711);
  CHECK(one->text == "SELECT 1");
  CHECK(!one->is_cut);
  const std::string hidden = text_row("4711", nullptr, "t");
  auto two = proxy::parse_watch_row(hidden);
  REQUIRE(two);
  CHECK(!two->text);
  CHECK(two->is_cut);
  for (size_t cut = 0; cut < shown.size(); ++cut)
    CHECK(!proxy::parse_watch_row(std::string_view(shown).substr(0, cut)));
  CHECK(!proxy::parse_watch_row(text_row("47x", "SELECT 1", "f")));
  CHECK(!proxy::parse_watch_row(shown + "x"));
  const uint32_t ids[] = {1, 4294967295};
  CHECK(proxy::watch_question(ids).find("'{1,4294967295}'") != std::string::npos);
}
