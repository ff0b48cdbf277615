#include "train/event_record.h"

#include <gtest/gtest.h>

namespace engraft {
namespace {

TEST(EventRecord, SumsAreCrc32c) {
  // The check value in catalogues of CRCs, then RFC 3720, appendix B.4.
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43U);
  std::string rising;
  for (char i = 0; i < 32; ++i) rising += i;
  EXPECT_EQ(crc32c(rising), 0x46DD794EU);
  EXPECT_EQ(crc32c(""), 0U);
}

std::string hex(std::string_view bytes) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<uint8_t>(c);
    out += {kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return out;
}

// With tensorboard 2.21.0:
//   from tensorboard.compat.proto.event_pb2 import Event
//   from tensorboard.compat.proto.summary_pb2 import Summary
//   from tensorboard.summary.writer.record_writer import RecordWriter
//   import io; file = io.BytesIO(); writer = RecordWriter(file)
//   writer.write(Event(wall_time=1.5, step=300, summary=Summary(value=[
//       Summary.Value(tag="loss/train", simple_value=0.1),
//       Summary.Value(tag="lr/head", simple_value=0)])).SerializeToString())
//   writer.write(Event(wall_time=1.5, file_version="brain.Event:2",
//       source_metadata={"writer": "engraft"}).SerializeToString())
//   print(file.getvalue().hex())
TEST(EventRecord, RecordsHaveTheBytesOfTensorBoardsOwnWriter) {
  EXPECT_EQ(
      hex(scalar_record(1.5, 300, {{"loss/train", 0.1F}, {"lr/head", 0}}) +
          version_record(1.5)),
      "31000000000000009d8383e909000000000000f83f10ac022a230a110a0a6c6f73732f74"
      "7261696e15cdcccc3d0a0e0a076c722f686561641500000000e983b62023000000000000"
      "00b09f774309000000000000f83f1a0d627261696e2e4576656e743a3252090a07656e67"
      "7261667483740073");
}

TEST(EventRecord, KnowsItsOwnFirstRecordAtAnyTime) {
  const std::string ours = version_record(1.5e9);
  EXPECT_TRUE(starts_with_version_record(ours));
  EXPECT_TRUE(starts_with_version_record(ours + scalar_record(2, 1, {})));
  EXPECT_FALSE(starts_with_version_record(ours.substr(0, ours.size() - 1)));
  EXPECT_FALSE(starts_with_version_record(scalar_record(1.5e9, 1, {})));
  EXPECT_FALSE(starts_with_version_record(""));
}

}  // namespace
}  // namespace engraft
