#include "engraft/train/event_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <bit>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <regex>

#include "support/expect_fault.h"
#include "support/tiny_images.h"
#include "train/growing_file.h"

namespace engraft {
namespace {

namespace fs = std::filesystem;
using test::TempFolder;

std::string text_of(const std::string& path) {
  const auto bytes = test::read_all(path);
  return {bytes.begin(), bytes.end()};
}

/// Of the lowest `count` bytes, the first one lowest.
uint64_t little_endian(std::string_view bytes, size_t count) {
  uint64_t out = 0;
  for (size_t i = count; i-- > 0;)
    out = out << 8 | static_cast<uint8_t>(bytes.at(i));
  return out;
}

/// As the definition says it: division of polynomials, bit by bit.
uint32_t sum_by_division(std::string_view bytes) {
  uint32_t crc = ~0U;
  for (const char byte : bytes) {
    crc ^= static_cast<uint8_t>(byte);
    for (int i = 0; i < 8; ++i)
      crc = crc & 1 ? crc >> 1 ^ 0x82F63B78U : crc >> 1;
  }
  return ~crc;
}

uint64_t masked_sum(std::string_view bytes) {
  const uint32_t crc = sum_by_division(bytes);
  return (crc >> 15 | crc << 17) + 0xA282EAD8U;
}

/// The data of each TFRecord; its sums are checked.
std::vector<std::string> unframed(std::string_view file) {
  std::vector<std::string> out;
  while (!file.empty()) {
    const auto size = little_endian(file, 8);
    EXPECT_EQ(little_endian(file.substr(8), 4), masked_sum(file.substr(0, 8)));
    const auto data = file.substr(12, size);
    EXPECT_EQ(little_endian(file.substr(12 + size), 4), masked_sum(data));
    out.emplace_back(data);
    file.remove_prefix(16 + size);
  }
  return out;
}

/// A field of a protobuf message: a number of wire types 0, 1 and 5, or bytes.
struct Field {
  uint64_t field = 0, wire = 0, number = 0;
  std::string bytes;
};

uint64_t take_varint(std::string_view& message) {
  uint64_t out = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = static_cast<uint8_t>(message.at(0));
    message.remove_prefix(1);
    out |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return out;
  }
}

std::vector<Field> fields(std::string_view message) {
  std::vector<Field> out;
  while (!message.empty()) {
    const uint64_t key = take_varint(message);
    Field field{key >> 3, key & 7, 0, ""};
    size_t size = field.wire == 1 ? 8 : field.wire == 5 ? 4 : 0;
    if (field.wire == 0) field.number = take_varint(message);
    if (field.wire == 2) size = take_varint(message);
    if (field.wire == 2)
      field.bytes = message.substr(0, size);
    else if (size > 0)
      field.number = little_endian(message, size);
    message.remove_prefix(size);
    out.push_back(field);
  }
  return out;
}

double double_of(const Field& field) {
  EXPECT_EQ(field.wire, 1u);
  return std::bit_cast<double>(field.number);
}

/// Tag and value of a Summary.Value.
Scalar scalar_of(const Field& field) {
  EXPECT_EQ(field.field, 1u);
  const auto parts = fields(field.bytes);
  EXPECT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts.at(0).field, 1u);
  EXPECT_EQ(parts.at(1).field, 2u);
  EXPECT_EQ(parts.at(1).wire, 5u);
  return {parts[0].bytes,
          std::bit_cast<float>(static_cast<uint32_t>(parts[1].number))};
}

TEST(EventFile, FirstSaysTheVersionAndWhoWrites) {
  const TempFolder folder;
  const auto before = static_cast<double>(std::time(nullptr));
  const EventFile file(folder.path());
  const auto records = unframed(text_of(file.path()));
  ASSERT_EQ(records.size(), 1u);
  const auto event = fields(records[0]);
  ASSERT_EQ(event.size(), 3u);
  EXPECT_EQ(event[0].field, 1u);
  EXPECT_GE(double_of(event[0]), before);
  EXPECT_LE(double_of(event[0]), before + 60);
  EXPECT_EQ(event[1].field, 3u);
  EXPECT_EQ(event[1].bytes, "brain.Event:2");
  EXPECT_EQ(event[2].field, 10u);
  const auto source = fields(event[2].bytes);
  ASSERT_EQ(source.size(), 1u);
  EXPECT_EQ(source[0].field, 1u);
  EXPECT_EQ(source[0].bytes, "engraft");
}

TEST(EventFile, EachWriteIsOneEventWithAllItsScalars) {
  const TempFolder folder;
  EventFile file(folder.path());
  const std::vector<Scalar> scalars = {
      {"loss/train", 0.1F}, {std::string(300, 'x'), -0.0F}, {"rate", 1e-38F}};
  file.write(1, scalars);
  file.write(int64_t{1} << 40, {{"loss/train", 3}});
  // Read while the writer lives: nothing waits in it.
  const auto records = unframed(text_of(file.path()));
  ASSERT_EQ(records.size(), 3u);

  const auto event = fields(records[1]);
  ASSERT_EQ(event.size(), 3u);
  EXPECT_GE(double_of(event[0]), double_of(fields(records[0])[0]));
  EXPECT_EQ(event[1].field, 2u);
  EXPECT_EQ(event[1].number, 1u);
  EXPECT_EQ(event[2].field, 5u);
  const auto summary = fields(event[2].bytes);
  ASSERT_EQ(summary.size(), scalars.size());
  for (size_t i = 0; i < scalars.size(); ++i) {
    const Scalar back = scalar_of(summary[i]);
    EXPECT_EQ(back.tag, scalars[i].tag);
    EXPECT_EQ(std::bit_cast<uint32_t>(back.value),
              std::bit_cast<uint32_t>(scalars[i].value));
  }
  EXPECT_EQ(fields(records[2])[1].number, uint64_t{1} << 40);
}

TEST(EventFile, IsNamedBySecondAndHost) {
  const TempFolder folder;
  const EventFile first(folder / "new/events"), second(folder / "new/events");
  EXPECT_NE(first.path(), second.path());
  for (const EventFile* file : {&first, &second}) {
    const fs::path path = file->path();
    EXPECT_EQ(path.parent_path(), folder / "new/events");
    EXPECT_TRUE(
        std::regex_match(path.filename().string(),
                         std::regex(R"(events\.out\.tfevents\.\d{10}\.\S+)")))
        << path;
  }
}

TEST(EventFile, RemovesWhatItWroteAndNothingElse) {
  const TempFolder folder;
  remove_event_files(folder / "not/there");
  const std::string ours = EventFile(folder.path()).path();
  // Another program's, an empty one, a folder and another name.
  const auto named = [&](const char* rest) {
    return folder / ("events.out.tfevents." + std::string(rest));
  };
  std::string other = text_of(ours);
  other.replace(other.find("engraft"), 7, "tflow.x");
  test::write_text(named("1.host"), other);
  test::write_text(named("2.host"), "");
  fs::create_directory(named("3.host"));
  test::write_text(folder / "notes", text_of(ours));
  remove_event_files(folder.path());
  EXPECT_FALSE(fs::exists(ours));
  EXPECT_TRUE(fs::exists(named("1.host")));
  EXPECT_TRUE(fs::exists(named("2.host")));
  EXPECT_TRUE(fs::exists(named("3.host")));
  EXPECT_TRUE(fs::exists(folder / "notes"));
}

TEST(EventFile, SaysWhichFolderCannotBeMade) {
  const TempFolder folder;
  test::write_text(folder / "file", "");
  const std::string path = folder / "file/events";
  EXPECT_FAULT(EventFile{path}, Fault::io,
               path + ": curves cannot be written: Not a directory; name");
}

/// Files of this process end at `bytes` while it lives.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes)
      : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  void (*handler_)(int);
};

TEST(EventFile, NoticesThatTheDiskTakesNoMore) {
  const TempFolder folder;
  EventFile file(folder.path());
  const std::string message = test::message_of(Fault::io, [&] {
    const FileSizeLimit limit(fs::file_size(file.path()) + 10);
    file.write(1, {{"loss/train", 1}});
  });
  EXPECT_TRUE(message.starts_with(file.path() + ": ")) << message;

  GrowingFile full("/dev/full");
  EXPECT_FAULT(full.append("x"), Fault::io, "No space left on device; name");
}

/// A Python that has TensorBoard; "" where there is none. The first is that of
/// scripts/test and scripts/check_tensorboard.
std::string tensorboard_python() {
  for (const std::string python :
       {ENGRAFT_SOURCE_DIR "/build/tensorboard-env/bin/python",
        ENGRAFT_SOURCE_DIR "/.venv/bin/python", ENGRAFT_PYTHON, "python3"})
    if (std::system(
            (python + " -c 'import tensorboard' 2>/dev/null").c_str()) == 0)
      return python;
  return "";
}

TEST(EventFile, TensorBoardItselfReadsIt) {
  const std::string python = tensorboard_python();
  if (python.empty())
    GTEST_SKIP() << "no Python with tensorboard; scripts/test "
                    "fetches it";
  const TempFolder folder;
  {
    EventFile file(folder.path());
    file.write(1, {{"loss/train", 0.5F}, {"lr/head", 1e-3F}});
    file.write(300, {{"loss/train", -2.25F}});
  }
  const std::string code =
      "import struct, sys\n"
      "from tensorboard.backend.event_processing.event_accumulator import "
      "EventAccumulator\n"
      "events = EventAccumulator(sys.argv[1]).Reload()\n"
      "got = {t: [(e.step, e.value) for e in events.Scalars(t)]\n"
      "       for t in events.Tags()['scalars']}\n"
      "rate = struct.unpack('<f', struct.pack('<f', 1e-3))[0]\n"
      "want = {'loss/train': [(1, 0.5), (300, -2.25)],\n"
      "        'lr/head': [(1, rate)]}\n"
      "assert got == want, got\n"
      "assert events.file_version == 2.0, events.file_version\n";
  test::write_text(folder / "read.py", code);
  EXPECT_EQ(std::system((python + " -W ignore '" + folder / "read.py" + "' '" +
                         folder.path() + "'")
                            .c_str()),
            0);
}

}  // namespace
}  // namespace engraft
