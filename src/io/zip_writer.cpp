#include "io/zip_writer.h"

#include <algorithm>

#include "core/throw.h"
#include "io/crc32.h"
#include "io/zip_format.h"

namespace dstorch {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kExtraHeaderBytes = 4;
/// PyTorch's id of the extra field that pads.
constexpr uint16_t kPaddingExtraId = 0x4246;
constexpr uint16_t kVersionPlain = 20;
constexpr uint16_t kVersionZip64 = 45;
/// 1980-01-01, the first day zip knows: the same tensors make the same file.
constexpr uint16_t kDate = 0x0021;

class Record {
 public:
  template <typename T>
  Record& put(T value) {
    text_.append(reinterpret_cast<const char*>(&value), sizeof(T));
    return *this;
  }
  Record& put_text(std::string_view text) {
    text_ += text;
    return *this;
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

uint32_t short_form(uint64_t value, bool zip64) { return zip64 ? kZipSeeZip64 : static_cast<uint32_t>(value); }

}  // namespace

void ZipWriter::add(std::string name, std::span<const std::byte> data) {
  require(name.size() < kZipSeeZip64Short, ErrorKind::invalid_argument, "a zip entry's name has {} bytes, too many",
          name.size());
  Entry entry{.name = std::move(name),
              .crc32 = crc32(data),
              .size = data.size(),
              .header_offset = file_.bytes_written(),
              .zip64 = false};
  entry.zip64 = always_zip64_ || entry.size >= kZipSeeZip64 || entry.header_offset >= kZipSeeZip64;
  Record extra;
  if (entry.zip64) {
    extra.put(kZip64ExtraId).put<uint16_t>(2 * sizeof(uint64_t)).put(entry.size).put(entry.size);
  }
  const auto unpadded =
      entry.header_offset + kZipLocalBytes + entry.name.size() + extra.text().size() + kExtraHeaderBytes;
  const auto padding = (kAlignment - unpadded % kAlignment) % kAlignment;
  extra.put(kPaddingExtraId).put(static_cast<uint16_t>(padding)).put_text(std::string(padding, 'Z'));

  Record header;
  header.put(kZipLocalSignature).put(entry.zip64 ? kVersionZip64 : kVersionPlain);
  header.put<uint16_t>(0).put(kZipStored).put<uint16_t>(0).put(kDate);
  header.put(entry.crc32).put(short_form(entry.size, entry.zip64)).put(short_form(entry.size, entry.zip64));
  header.put(static_cast<uint16_t>(entry.name.size())).put(static_cast<uint16_t>(extra.text().size()));
  header.put_text(entry.name).put_text(extra.text());
  file_.write(header.text());
  file_.write(data);
  entries_.push_back(std::move(entry));
}

void ZipWriter::finish() {
  const uint64_t directory_offset = file_.bytes_written();
  for (const auto& entry : entries_) {
    Record record;
    record.put(kZipDirectorySignature).put(kVersionZip64).put(entry.zip64 ? kVersionZip64 : kVersionPlain);
    record.put<uint16_t>(0).put(kZipStored).put<uint16_t>(0).put(kDate);
    record.put(entry.crc32).put(short_form(entry.size, entry.zip64)).put(short_form(entry.size, entry.zip64));
    record.put(static_cast<uint16_t>(entry.name.size()));
    record.put<uint16_t>(entry.zip64 ? kExtraHeaderBytes + 3 * sizeof(uint64_t) : 0);
    record.put<uint16_t>(0).put<uint16_t>(0).put<uint16_t>(0).put<uint32_t>(0);
    record.put(short_form(entry.header_offset, entry.zip64)).put_text(entry.name);
    if (entry.zip64) {
      record.put(kZip64ExtraId).put<uint16_t>(3 * sizeof(uint64_t));
      record.put(entry.size).put(entry.size).put(entry.header_offset);
    }
    file_.write(record.text());
  }
  const uint64_t end = file_.bytes_written();
  const uint64_t directory_bytes = end - directory_offset;
  const uint64_t count = entries_.size();
  const bool zip64 = always_zip64_ || count >= kZipSeeZip64Short || directory_bytes >= kZipSeeZip64 ||
                     directory_offset >= kZipSeeZip64;
  Record record;
  if (zip64) {
    record.put(kZip64EndSignature).put<uint64_t>(kZip64EndBytes - 12).put(kVersionZip64).put(kVersionZip64);
    record.put<uint32_t>(0).put<uint32_t>(0).put(count).put(count).put(directory_bytes).put(directory_offset);
    record.put(kZip64LocatorSignature).put<uint32_t>(0).put(end).put<uint32_t>(1);
  }
  const auto short_count = zip64 ? kZipSeeZip64Short : static_cast<uint16_t>(count);
  record.put(kZipEndSignature).put<uint16_t>(0).put<uint16_t>(0).put(short_count).put(short_count);
  record.put(short_form(directory_bytes, zip64)).put(short_form(directory_offset, zip64)).put<uint16_t>(0);
  file_.write(record.text());
}

}  // namespace dstorch
