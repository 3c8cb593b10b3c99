"""Made-up sources, the functions that functions.py must find in them, (name, first line, lines), and what the
classes have that classes.py must find, (name, members, functions)."""

SCANNED = [
    (
        'int f() { return 1; }\n',
        [('f', 1, 1)]),
    (
        'namespace a::b {\n'
        'namespace {\n'
        'int f(\n'
        '    int x) {\n'
        '  if (x) {\n'
        '    return 1;\n'
        '  }\n'
        '  return 2;\n'
        '}\n'
        '}\n'
        '}\n',
        [('f', 3, 7)]),
    (
        'struct S {\n'
        '  int a{1};\n'
        '  std::array<int, 2> b = {1, 2};\n'
        '  int f() const noexcept {\n'
        '    return a;\n'
        '  }\n'
        '};\n',
        [('f', 4, 3)]),
    (
        'class A final : public B<void(int)> {\n'
        ' public:\n'
        '  A() = default;\n'
        '  ~A() override {\n'
        '  }\n'
        '};\n',
        [('~A', 4, 2)]),
    (
        'A::A(int x, B b = {})\n'
        '    : x_{x}, y_(b), z_{1, {2}} {\n'
        '  go();\n'
        '}\n',
        [('A::A', 1, 4)]),
    (
        'A::A(int x) : Base<int>{x}, y_(x) {}\n'
        'void g() {}\n',
        [('A::A', 1, 1), ('g', 2, 1)]),
    (
        'const int table[] = {\n'
        '  1,\n'
        '  2,\n'
        '};\n'
        'auto g() -> std::vector<int> {\n'
        '  return {};\n'
        '}\n',
        [('g', 5, 3)]),
    (
        'enum class E : uint8_t {\n'
        '  a,\n'
        '};\n'
        'template <class T, class = std::enable_if_t<(sizeof(T) > 1)>>\n'
        'T f(T t) {\n'
        '  return t;\n'
        '}\n',
        [('f', 4, 4)]),
    (
        'bool S::operator==(const S& o) const {\n'
        '  return true;\n'
        '}\n'
        'void S::operator()(int) {\n'
        '}\n'
        'S::operator bool() const {\n'
        '}\n'
        'S& S::operator=(S&& o) {\n'
        '  return *this;\n'
        '}\n',
        [('S::operator==', 1, 3), ('S::operator()', 4, 2),
         ('S::operator bool', 6, 2), ('S::operator=', 8, 3)]),
    (
        'const auto twice = [](int x) {\n'
        '  return 2 * x;\n'
        '};\n',
        [('twice', 1, 3)]),
    (
        'void f() {\n'
        '  auto g = [&] {\n'
        '    struct L { void m() {} };\n'
        '  };\n'
        '}\n',
        [('f', 1, 5)]),
    (
        '// void f() {\n'
        '#define M(x) \\\n'
        '  void x() {\n'
        'const char* t = "{" R"q({{ )" {)q";\n'
        "char c = '{';\n"
        "int n = 1'000;\n"
        '/* { */ void f() {\n'
        '}\n',
        [('f', 7, 2)]),
    (
        'extern "C" {\n'
        'void f(void) {\n'
        '}\n'
        '}\n'
        'extern "C" int g() {\n'
        '}\n',
        [('f', 2, 2), ('g', 5, 2)]),
    (
        'struct sockaddr_in at(int port) {\n'
        '  return {};\n'
        '}\n'
        '[[nodiscard]] static struct S* h() {\n'
        '}\n',
        [('at', 1, 3), ('h', 4, 2)]),
    (
        'template <class T>\n'
        'concept C = requires(T t) {\n'
        '  { t.f() } -> std::same_as<int>;\n'
        '};\n',
        []),
    (
        'Task<void> f(int a) {\n'
        '  switch (a) {\n'
        '    default: {\n'
        '    }\n'
        '  }\n'
        '  co_return;\n'
        '}\n',
        [('f', 1, 7)]),
]

CLASSES = [
    (
        'class A final {\n'
        ' public:\n'
        '  A() = default;\n'
        '  explicit A(int x) : x_(x) {}\n'
        '  ~A();\n'
        '  A(const A&) = delete;\n'
        '  A& operator=(const A&) = delete;\n'
        '  int x() const { return x_; }\n'
        '  template <class T, class = void>\n'
        '  [[nodiscard]] static std::vector<T> f(std::function<void(int)> g = {});\n'
        '  bool operator==(const A&) const = default;\n'
        ' private:\n'
        '  static constexpr int max = 3;\n'
        '  static int count;\n'
        '  friend class B;\n'
        '  using Text = std::string;\n'
        '  enum class Way : uint8_t { in, out };\n'
        '  int x_ = 0;\n'
        '  std::array<int, 2> pair_{1, 2};\n'
        '  std::function<void(int)> told_ = [](int) { go(); };\n'
        '  void (*hook_)(int) = nullptr;\n'
        '};\n',
        [('A', 5, 3)]),
    (
        'namespace n {\n'
        'struct Outer {\n'
        '  struct Inner {\n'
        '    int a;\n'
        '    int b, c;\n'
        '    void f();\n'
        '  };\n'
        '  Inner inner;\n'
        '  struct { int d; } rest;\n'
        '  void g() {\n'
        '    struct Local { int e; };\n'
        '  }\n'
        '  void g(int);\n'
        '};\n'
        'class Later;\n'
        'class Later* later();\n'
        'enum class E { a, b };\n'
        '}\n',
        [('Inner', 3, 1), ('Outer', 2, 2)]),
    (
        'class Base { public: virtual void f(); void g(); };\n'
        'class Open : public n::Base { void f() override; void h(); };\n'
        'class Shut : private Base { void h(); };\n'
        'struct Last final : Open, private Shut { void i(); };\n',
        [('Base', 0, 2), ('Open', 0, 3), ('Shut', 0, 1), ('Last', 0, 4)]),
]
