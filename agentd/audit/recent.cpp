#include "agentd/audit/recent.h"

namespace secrets::audit {

void Recent::add(const Event& event, Time at) {
    Entry entry{.number = last_ + 1, .at = at, .level = info_of(event.kind).level};
    if (event.owner) entry.owner = event.owner->uid;
    if (event.caller) entry.caller = event.caller->uid;
    entry.sentence = event.sentence;
    entry.json = trail_line(event, at);
    entry.json.pop_back();
    entries_.push_back(std::move(entry));
    ++last_;
    if (entries_.size() > kKept) entries_.pop_front();
}

}  // namespace secrets::audit
