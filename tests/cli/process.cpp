#include "cli/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <thread>

extern char** environ;

namespace engraft::test {
namespace {

std::string text_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

Process::Process(const std::vector<std::string>& arguments,
                 const std::string& input, long memory_kib) {
  // Not the user's own cache; a test may then set another, or none.
  static const TempFolder cache;
  static const int once =
      setenv("ENGRAFT_CACHE", cache.path().c_str(), /*overwrite=*/0);
  static_cast<void>(once);
  write_text(folder_ / "in", input);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  const int create = O_WRONLY | O_CREAT | O_TRUNC;
  const std::string in = folder_ / "in", out = folder_ / "out",
                    err = folder_ / "err";
  posix_spawn_file_actions_addopen(&files, 0, in.c_str(), O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, out.c_str(), create, 0600);
  posix_spawn_file_actions_addopen(&files, 2, err.c_str(), create, 0600);
  std::vector<std::string> words;
  if (memory_kib > 0)
    words = {
        "/bin/sh", "-c",
        "ulimit -v " + std::to_string(memory_kib) + "; exec \"$0\" \"$@\""};
  words.push_back(ENGRAFT_BINARY);
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const int error =
      posix_spawn(&pid_, argv[0], &files, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  if (error) throw std::runtime_error("cannot start " ENGRAFT_BINARY);
}

void Process::send(int signal) const { kill(pid_, signal); }

bool Process::says(const std::string& text, double seconds) const {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while (Clock::now() < end) {
    if (text_of(folder_ / "err").find(text) != std::string::npos) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return false;
}

Outcome Process::wait() {
  int status = 0;
  waitpid(pid_, &status, 0);
  return {WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status),
          text_of(folder_ / "out"), text_of(folder_ / "err")};
}

Outcome run_engraft(const std::vector<std::string>& arguments,
                    const std::string& input) {
  return Process(arguments, input).wait();
}

void expect_usage_error(const std::vector<std::string>& arguments,
                        const std::string& expected) {
  const Outcome run = run_engraft(arguments);
  EXPECT_EQ(run.code, 2) << run.err;
  EXPECT_EQ(run.out, "");
  EXPECT_NE(run.err.find(expected), std::string::npos) << run.err;
}

}  // namespace engraft::test
