#include "grammar_thread.h"

#include <pg_query.h>

// Functions and the flag of libpg_query that pg_query_init() is made of (15-4.0.0, src/pg_query.c). Its
// header has no declarations of them.
extern "C" {
extern __thread int pg_query_initialized;
void MemoryContextInit(void);
void SetDatabaseEncoding(int encoding);
}

namespace ringfence::sql {

namespace {

constexpr int encoding_utf8 = 6;  // PG_UTF8 in PostgreSQL's mb/pg_wchar.h.

// pg_query_init() makes a pthread key in each thread that it is called in, and nobody deletes it. A process
// has 1,024 keys, and each large text is analysed on a thread made for it: after so many there would be none
// left for other libraries, and OpenSSL does not survive that. So the same is done here without a key.
class GrammarThread {
 public:
  GrammarThread() {
    if (pg_query_initialized != 0) return;  // By a call of the library that did not come through here.
    pg_query_initialized = 1;
    MemoryContextInit();
    SetDatabaseEncoding(encoding_utf8);
    is_ours_ = true;
  }
  GrammarThread(const GrammarThread&) = delete;
  GrammarThread& operator=(const GrammarThread&) = delete;
  ~GrammarThread() {
    if (!is_ours_) return;
    pg_query_exit();
    pg_query_initialized = 0;
  }

 private:
  bool is_ours_ = false;
};

}  // namespace

void prepare_grammar_thread() { static thread_local GrammarThread thread; }

}  // namespace ringfence::sql
