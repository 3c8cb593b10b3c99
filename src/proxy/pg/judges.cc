#include "judges.h"

namespace ringfence::proxy {

std::shared_ptr<StatementJudge> Judges::find(std::string_view user, std::string_view target,
                                             const policy::Access& access, policy::SessionFacts session) {
  std::erase_if(known_, [](const auto& entry) { return entry.second.expired(); });
  std::string key = std::string(user) + '\0' + std::string(target) + '\0' +
                    std::to_string(session.server_version) + (session.is_server_read_only ? 'r' : 'w') +
                    (session.folds_beyond_ascii ? 'f' : 'k');
  std::weak_ptr<StatementJudge>& known = known_[key];
  std::shared_ptr<StatementJudge> judge = known.lock();
  if (!judge || !judge->decides_by(access)) {
    judge = std::make_shared<StatementJudge>(access, session, space_);
    known = judge;
  }
  return judge;
}

}  // namespace ringfence::proxy
