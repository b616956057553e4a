/* SPDX-License-Identifier: Apache-2.0 */

/* An agent in C++17, `agent_cxx URL`: handles that free themselves, statuses
 * that become exceptions, and lambdas as callbacks, whose exceptions become the
 * answer to the server. It shows the file main.conf that the server offers.
 * Ctrl-C ends it in good order.
 *
 *   c++ -std=c++17 agent_cxx.cpp $(pkg-config --cflags --libs libopamp) \
 *     -o agent_cxx
 */

#include <opamp/opamp.h>

#include <csignal>
#include <exception>
#include <functional>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

namespace {

// --- what a C++ program wants around a C library -----------------------------

struct Free {
  void operator()(opamp_client *c) const noexcept {
    opamp_client_free(c);
  }
  void operator()(opamp_options *o) const noexcept {
    opamp_options_free(o);
  }
};
template <class T>
using Handle = std::unique_ptr<T, Free>;

void check(opamp_status s) {
  if (s != OPAMP_OK)
    throw std::runtime_error(std::string(opamp_status_name(s)) + ": " +
                             opamp_errmsg());
}

// make(opamp_client_new, loop, options): the handle, or an exception.
template <class T, class... Params, class... Args>
Handle<T> make(opamp_status (*constructor)(T **, Params...), Args... args) {
  T *made = nullptr;
  check(constructor(&made, args...));
  return Handle<T>(made);
}

std::string_view view(opamp_str s) {
  return {opamp_str_z(s), s.len};
}

std::string_view view(opamp_bytes b) {
  return {reinterpret_cast<const char *>(b.ptr), b.len};
}

class Agent {
 public:
  using OnConfig = std::function<void(const opamp_msg *)>;
  using OnEvent = std::function<void(int kind, std::string_view text)>;

  Agent(const char *url, const char *name, OnConfig config, OnEvent event)
      : on_config_(std::move(config)), on_event_(std::move(event)) {
    auto options = make(opamp_options_new);
    check(opamp_options_set_text(options.get(), OPAMP_TEXT_URL, url));
    check(opamp_options_set_capabilities(
        options.get(), OPAMP_CAPABILITIES_DEFAULT |
                           OPAMP_AGENT_CAPABILITIES_ACCEPTS_REMOTE_CONFIG |
                           OPAMP_AGENT_CAPABILITIES_REPORTS_REMOTE_CONFIG));
    client_ = make(opamp_client_new, nullptr, options.get());
    check(opamp_client_report_service(client_.get(), name, nullptr));
    // Lambdas without captures are function pointers; `this` comes along.
    opamp_callbacks callbacks{};
    callbacks.struct_size = sizeof callbacks;
    callbacks.on_remote_config = [](opamp_event *e, void *self) {
      static_cast<Agent *>(self)->offered(e);
    };
    callbacks.on_other = [](opamp_event *e, void *self) {
      static_cast<Agent *>(self)->happened(e);
    };
    check(opamp_client_set_callbacks(client_.get(), &callbacks, this));
  }
  Agent(const Agent &) = delete;  // the library knows where it is
  Agent &operator=(const Agent &) = delete;

  opamp_loop *loop() const {
    return opamp_client_loop(client_.get());
  }
  void start() {
    check(opamp_client_start(client_.get()));
  }
  void stop() {
    check(opamp_client_stop(client_.get()));
  }
  void poll() {
    const int waiting = opamp_client_poll(client_.get(), -1);
    if (waiting < 0) check(waiting);
  }
  bool stopped() const {
    return opamp_client_state(client_.get()) == OPAMP_STATE_STOPPED;
  }

 private:
  // No exception may pass through C; one that says no is an answer.
  void offered(opamp_event *offer) noexcept try {
    on_config_(opamp_event_msg(offer));
    opamp_event_accept(offer);
  } catch (const std::exception &e) {
    opamp_event_reject(offer, e.what());
  }

  void happened(opamp_event *e) noexcept {
    on_event_(opamp_event_kind(e), view(opamp_event_text(e)));
  }

  OnConfig on_config_;
  OnEvent on_event_;
  Handle<opamp_client> client_;  // last: the first to go
};

// --- the program -------------------------------------------------------------

opamp_loop *loop_to_wake;
volatile std::sig_atomic_t stopping;

void run(const char *url) {
  std::string shown;
  Agent agent(
      url, "agent_cxx",
      [&shown](const opamp_msg *config) {
        const auto body = view(
            opamp_config_body(opamp_remote_config_find(config, "main.conf")));
        if (body.empty()) throw std::invalid_argument("there is no main.conf");
        shown = body;
        std::cout << "main.conf is now: " << shown << std::endl;
      },
      [](int kind, std::string_view text) {
        std::cout << opamp_event_kind_name(kind) << ' ' << text << std::endl;
      });
  loop_to_wake = agent.loop();
  std::signal(SIGINT, [](int) {
    stopping = 1;
    opamp_loop_wake(loop_to_wake);
  });
  agent.start();
  while (!stopping) agent.poll();
  agent.stop();
  while (!agent.stopped()) agent.poll();
}

}  // namespace

int main(int argc, char **argv) try {
  if (argc != 2) return 2;
  run(argv[1]);
} catch (const std::exception &e) {
  std::cerr << "agent_cxx: " << e.what() << '\n';
  return 1;
}
