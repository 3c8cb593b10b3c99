#include "ringfence/model/defect.h"

#include <utility>

namespace ringfence::model {

void add_defect(Defects& to, std::string path, std::string wrong) {
  if (!wrong.empty()) to.push_back({std::move(path), std::move(wrong)});
}

void add_defects(Defects& to, const std::string& path, Defects found) {
  for (Defect& defect : found) {
    defect.path = path + "." + defect.path;
    to.push_back(std::move(defect));
  }
}

std::string path_of(std::string_view list, size_t place) {
  return std::string(list) + "[" + std::to_string(place) + "]";
}

}  // namespace ringfence::model
