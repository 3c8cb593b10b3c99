// What is wrong with a value of the model, in terms of its fields. Who read the value says where it stood: a
// file's line, or a member of a request's body.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ringfence::model {

struct Defect {
  std::string path;     // "pool.max"; within a collection "targets[2].pool.max".
  std::string message;  // What is wrong and how to mend it: "is 70000; use a whole number from 0 to 65535".
  // Of a value that stands twice: the path of the first one. The message names it: "first as users[0].name".
  std::string first = {};
};
using Defects = std::vector<Defect>;

// Adds one at `path` unless `wrong` is empty.
void add_defect(Defects& to, std::string path, std::string wrong);
// Adds all of `found`, whose paths are below `path`: "targets[2]".
void add_defects(Defects& to, const std::string& path, Defects found);
// "targets[2]"
std::string path_of(std::string_view list, size_t place);

}  // namespace ringfence::model
