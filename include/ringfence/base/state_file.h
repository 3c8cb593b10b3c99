// Small files of the state directory: whole or not at all, on the disk when the call returns, and never
// through a link. As root they are given to the directory's owner.
#pragma once

#include <string>

#include "ringfence/base/bytes.h"
#include "ringfence/base/result.h"

namespace ringfence {

// Replaces what is there. Mode 0600.
Result<void> replace_file(const std::string& directory, const std::string& name, ByteView bytes);
// Fault::conflict when the file is there already.
Result<void> create_file(const std::string& directory, const std::string& name, ByteView bytes);
// Fault::not_found when there is none; Fault::limit when it has more than `bytes_max`; Fault::denied when
// others than its owner may read it.
Result<std::string> read_file(const std::string& directory, const std::string& name, size_t bytes_max);
Result<void> remove_file(const std::string& directory, const std::string& name);

}  // namespace ringfence
