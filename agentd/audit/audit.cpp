#include "agentd/audit/audit.h"

#include "agentd/audit/recorder.h"

namespace secrets::audit {

Recorder& recorder() {
    static Recorder the_one;
    return the_one;
}

Failure open(const Config& config) {
    return recorder().open(config);
}

Failure reopen() {
    return recorder().reopen();
}

void record(const Event& event) {
    recorder().record(event);
}

Failure write_ahead(const Event& event) {
    return recorder().write_ahead(event);
}

void take_back(const Event& event, const Error& why) {
    recorder().take_back(event, why);
}

void tell(const Event& event) {
    recorder().tell(event);
}

void trouble(std::string sentence) {
    recorder().record({.kind = Kind::trouble, .sentence = std::move(sentence)});
}

void mended(std::string sentence) {
    recorder().record({.kind = Kind::mended, .sentence = std::move(sentence)});
}

std::uint64_t count_of(Kind kind) {
    return recorder().count_of(kind);
}

const Recent& recent() {
    return recorder().recent();
}

std::uint64_t dropped() {
    return recorder().dropped();
}

void finish() {
    recorder().finish();
}

}  // namespace secrets::audit
