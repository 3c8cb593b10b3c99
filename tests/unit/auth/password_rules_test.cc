#include <doctest/doctest.h>

#include "ringfence/auth/password_rules.h"

using namespace ringfence;
using namespace ringfence::auth;

namespace {

void is_refused(std::string_view password, std::string_view why, std::string_view user = "alice") {
  const std::string wrong = check_new_password(password, user);
  CHECK_MESSAGE(wrong.find(why) != std::string::npos, password << " gave: " << wrong);
  // It goes into answers and logs.
  if (password.size() >= 8) CHECK(wrong.find(password) == std::string::npos);
}

void is_taken(std::string_view password, std::string_view user = "alice") {
  const std::string wrong = check_new_password(password, user);
  CHECK_MESSAGE(wrong.empty(), password << " gave: " << wrong);
}

}  // namespace

TEST_CASE("Ordinary passwords are taken") {
  for (const char* password :
       {"secret123", "correct horse battery staple", "Tr0ub4dor&3", "naïveté-9", "пароль-мой-7",
        "a b c d e f g", "x9!kQ2#mZ", "パスワードは秘密です", "😀😁😂🤣😃😎🙂🙃"})
    is_taken(password);
}

TEST_CASE("A password has at least eight characters, not bytes") {
  is_refused("", "has 0 characters; use at least 8");
  is_refused("x9!kQ2#", "has 7 characters; use at least 8");
  is_taken("x9!kQ2#m");
  is_refused("éàüöñçß", "has 7 characters");  // 14 bytes.
  is_taken("éàüöñçßø");
  // SASLprep takes soft hyphens away.
  is_refused("x9!kQ2#\xc2\xad\xc2\xad", "has 7 characters");
}

// One character stands for three, and another one for eighteen.
TEST_CASE("Characters that SASLprep takes apart count as they were typed") {
  is_refused("x9!kQ2\xc2\xbd", "has 7 characters");
  is_refused("\xef\xb7\xba", "has 1 characters");
  std::string alike;
  for (int i = 0; i < 8; ++i) alike += "\xef\xb7\xba";
  is_refused(alike, "has only 1 different characters");
  // And those that it brings together count as one.
  is_refused(
      "\xef\xbd\x81\xef\xbd\x82\xef\xbd\x83\xef\xbd\x84"
      "efgh",
      "simple sequence");
}

TEST_CASE("A password has at most 1024 bytes") {
  std::string password = "x9!kQ2#m";
  password.append(1024 - password.size(), 'y');
  is_taken(password);
  is_refused(password + "y", "longer than 1024 bytes");
}

TEST_CASE("A password is text without control characters") {
  is_refused("x9!kQ2#m\xff", "no valid UTF-8");
  is_refused("x9!kQ2#m\xc3", "no valid UTF-8");
  is_refused(std::string("x9!kQ2#m\0y", 10), "no valid UTF-8");
  is_refused("x9!kQ2\n#m", "control characters");
  is_refused("x9!kQ2\t#m", "control characters");
  is_refused("x9!kQ2\x7f#m", "control characters");
  is_refused("x9!kQ2\xc2\x85#m", "control characters");
  is_taken("x9!kQ2\xc2\xa0#m");  // A no-break space is none.
}

TEST_CASE("A password has at least five distinct characters") {
  is_refused("aaaaaaaa", "has only 1 different characters");
  is_refused("abababababab", "has only 2 different");
  is_refused("abcdabcdabcd", "has only 4 different");
  is_refused("ééààééààé", "has only 2 different");
  is_taken("abgdabgdx");
}

TEST_CASE("A password is no run along an alphabet or a keyboard") {
  for (const char* password :
       {"abcdefgh",   "ABCDEFGH",     "AbCdEfGh",   "hgfedcba",   "stuvwxyz",  "xyzabcde",     "12345678",
        "123456789",  "1234567890",   "0123456789", "9876543210", "87654321",  "456789012345", "qwertyui",
        "qwertyuiop", "QwertyUiop",   "poiuytrewq", "asdfghjkl",  "lkjhgfdsa", "qwertzuiop",   "azertyuiop",
        "1qaz2wsx",   "1qaz2wsx3edc", "!@#$%^&*",   "zxcvbnmq",   "абвгдежз",  "зжедгвба"})
    is_refused(password, "simple sequence");
  for (const char* password : {"abcdefgx", "12345679x", "qwertyuo1", "abcdefgi"}) is_taken(password);
}

TEST_CASE("A password is not about its user's name") {
  is_refused("marguerite", "contains the user's name", "marguerite");
  is_refused("MARGUERITE", "contains the user's name", "marguerite");
  is_refused("marguerite-7!", "contains the user's name", "Marguerite");
  is_refused("7!-marguerite", "contains the user's name", "marguerite");
  is_refused("marguerit", "part of the user's name", "marguerite");
  is_refused("arguerite", "part of the user's name", "marguerite");
  // However its letters are composed.
  is_refused("cafe\xcc\x81-au-lait", "contains the user's name", "cafe\xcc\x81-au-lait");
  is_refused("caf\xc3\xa9-au-lait", "contains the user's name", "cafe\xcc\x81-au-lait");
  // Names of three letters stand in many texts.
  is_taken("fantastic-7", "ant");
  is_refused("fantastic-7", "contains the user's name", "anta");
  is_taken("x9!kQ2#m", "");
}

TEST_CASE("The commonest passwords are refused in any case") {
  for (const char* password :
       {"password1", "PassWord1", "P@ssw0rd", "letmein123", "trustno1", "1q2w3e4r", "iloveyou", "changeme",
        "welcome123", "Administrator", "postgres", "abcd1234", "zaq12wsx"})
    is_refused(password, "everybody tries first");
  is_taken("password1-and-more");
}
