#include "io/zip_reader.h"

#include <algorithm>

#include "io/byte_cursor.h"
#include "io/zip_format.h"

namespace dstorch {
namespace {

struct Directory {
  uint64_t entries = 0;
  uint64_t bytes = 0;
  uint64_t offset = 0;
  uint64_t end = 0;  ///< Where the record that describes it begins.
};

std::size_t find_end_record(std::span<const std::byte> archive, std::string_view where) {
  if (archive.size() >= kZipEndBytes) {
    const auto last = archive.size() - kZipEndBytes;
    const auto first = last - std::min(last, kZipMaxCommentBytes);
    for (auto at = last + 1; at-- > first;) {
      ByteCursor cursor(archive, where, at);
      if (cursor.read<uint32_t>() != kZipEndSignature) {
        continue;
      }
      cursor.skip(kZipEndBytes - 6);
      if (cursor.read<uint16_t>() == archive.size() - at - kZipEndBytes) {
        return at;
      }
    }
  }
  fail(ErrorKind::format, "{} begins as a zip archive but has no directory at its end: it is cut short ({} bytes)",
       where, archive.size());
}

/// The zip64 form of the end record, when a locator stands before the plain one.
bool read_zip64_end(std::span<const std::byte> archive, std::string_view where, std::size_t end, Directory& directory) {
  if (end < kZip64LocatorBytes) {
    return false;
  }
  const auto locator_at = end - kZip64LocatorBytes;
  ByteCursor locator(archive, where, locator_at);
  if (locator.read<uint32_t>() != kZip64LocatorSignature) {
    return false;
  }
  locator.skip(4);
  const auto record_at = locator.read<uint64_t>();
  require(record_at <= locator_at && locator_at - record_at >= kZip64EndBytes, ErrorKind::format,
          "{}: the zip64 directory claims to be at byte {} of {}", where, record_at, archive.size());
  ByteCursor record(archive, where, record_at);
  require(record.read<uint32_t>() == kZip64EndSignature, ErrorKind::format, "{}: the zip64 directory is damaged",
          where);
  record.skip(8 + 2 + 2 + 4 + 4 + 8);
  directory.entries = record.read<uint64_t>();
  directory.bytes = record.read<uint64_t>();
  directory.offset = record.read<uint64_t>();
  directory.end = record_at;
  return true;
}

Directory find_directory(std::span<const std::byte> archive, std::string_view where) {
  Directory directory;
  const auto end = find_end_record(archive, where);
  if (!read_zip64_end(archive, where, end, directory)) {
    ByteCursor record(archive, where, end);
    record.skip(4 + 2 + 2 + 2);
    directory.entries = record.read<uint16_t>();
    directory.bytes = record.read<uint32_t>();
    directory.offset = record.read<uint32_t>();
    directory.end = end;
  }
  require(directory.offset <= directory.end && directory.bytes <= directory.end - directory.offset, ErrorKind::format,
          "{}: the zip directory claims {} bytes at byte {}, the file has {}", where, directory.bytes, directory.offset,
          archive.size());
  require(directory.entries <= directory.bytes / kZipDirectoryEntryBytes, ErrorKind::format,
          "{}: the zip directory claims {} entries in {} bytes", where, directory.entries, directory.bytes);
  return directory;
}

/// Replaces saturated fields by those of the zip64 extra field.
void apply_zip64_extra(ByteCursor extra, ZipEntry& entry, bool see_size, bool see_compressed, bool see_offset) {
  while (extra.remaining() >= 4) {
    const auto id = extra.read<uint16_t>();
    const auto length = extra.read<uint16_t>();
    const auto body = extra.take(length);
    if (id != kZip64ExtraId) {
      continue;
    }
    ByteCursor fields(body, extra.where());
    entry.size = see_size ? fields.read<uint64_t>() : entry.size;
    entry.compressed_size = see_compressed ? fields.read<uint64_t>() : entry.compressed_size;
    entry.header_offset = see_offset ? fields.read<uint64_t>() : entry.header_offset;
    return;
  }
  fail(ErrorKind::format, "{}: zip entry {} lacks its zip64 sizes", extra.where(), Quoted(entry.name));
}

ZipEntry read_entry(ByteCursor& cursor) {
  ZipEntry entry;
  require(cursor.read<uint32_t>() == kZipDirectorySignature, ErrorKind::format, "{}: the zip directory is damaged",
          cursor.where());
  cursor.skip(2 + 2);  // Versions.
  entry.flags = cursor.read<uint16_t>();
  entry.method = cursor.read<uint16_t>();
  cursor.skip(2 + 2);  // Time, date.
  entry.crc32 = cursor.read<uint32_t>();
  entry.compressed_size = cursor.read<uint32_t>();
  entry.size = cursor.read<uint32_t>();
  const auto name_length = cursor.read<uint16_t>();
  const auto extra_length = cursor.read<uint16_t>();
  const auto comment_length = cursor.read<uint16_t>();
  cursor.skip(2 + 2 + 4);  // Disk, attributes.
  entry.header_offset = cursor.read<uint32_t>();
  entry.name = cursor.take_text(name_length);
  const auto extra = cursor.take(extra_length);
  cursor.skip(comment_length);
  const bool see_size = entry.size == kZipSeeZip64;
  const bool see_compressed = entry.compressed_size == kZipSeeZip64;
  const bool see_offset = entry.header_offset == kZipSeeZip64;
  if (see_size || see_compressed || see_offset) {
    apply_zip64_extra(ByteCursor(extra, cursor.where()), entry, see_size, see_compressed, see_offset);
  }
  return entry;
}

}  // namespace

ZipReader::ZipReader(std::span<const std::byte> archive, std::string_view where) : archive_(archive), where_(where) {
  const auto directory = find_directory(archive, where);
  directory_offset_ = directory.offset;
  ByteCursor cursor(archive.subspan(directory.offset, directory.bytes), where);
  entries_.reserve(directory.entries);
  for (uint64_t i = 0; i < directory.entries; ++i) {
    entries_.push_back(read_entry(cursor));
    require(index_.emplace(entries_.back().name, i).second, ErrorKind::format, "{}: zip entry {} occurs twice", where,
            Quoted(entries_.back().name));
  }
}

const ZipEntry* ZipReader::find(std::string_view name) const {
  const auto it = index_.find(name);
  return it == index_.end() ? nullptr : &entries_[it->second];
}

std::span<const std::byte> ZipReader::stored_bytes(const ZipEntry& entry) const {
  require((entry.flags & kZipFlagEncrypted) == 0, ErrorKind::unsupported, "{}: zip entry {} is encrypted", where_,
          Quoted(entry.name));
  require(entry.method == kZipStored, ErrorKind::unsupported,
          "{}: zip entry {} is compressed (method {}), and only stored entries can be mapped; save it again with "
          "torch.save, or zip it with -0",
          where_, Quoted(entry.name), entry.method);
  require(entry.compressed_size == entry.size, ErrorKind::format,
          "{}: stored zip entry {} must have one size, it has {} and {}", where_, Quoted(entry.name), entry.size,
          entry.compressed_size);
  // Data lie before the directory; a header in it would be another reader's data.
  const auto before = archive_.first(directory_offset_);
  require(entry.header_offset <= before.size(), ErrorKind::format, "{}: zip entry {} claims to be at byte {} of {}",
          where_, Quoted(entry.name), entry.header_offset, archive_.size());
  ByteCursor cursor(before, where_, entry.header_offset);
  require(cursor.read<uint32_t>() == kZipLocalSignature, ErrorKind::format, "{}: zip entry {} has no header", where_,
          Quoted(entry.name));
  cursor.skip(kZipLocalBytes - 4 - 2 - 2);
  const auto name_length = cursor.read<uint16_t>();
  const auto extra_length = cursor.read<uint16_t>();
  require(cursor.take_text(name_length) == entry.name, ErrorKind::format,
          "{}: zip entry {} has another name in its own header", where_, Quoted(entry.name));
  cursor.skip(extra_length);
  require(entry.size <= cursor.remaining(), ErrorKind::format, "{}: zip entry {} claims {} bytes, {} are left", where_,
          Quoted(entry.name), entry.size, cursor.remaining());
  return cursor.take(entry.size);
}

}  // namespace dstorch
