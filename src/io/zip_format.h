#pragma once

#include <cstddef>
#include <cstdint>

namespace dstorch {

// Signatures and sizes of a zip's records (PKWARE APPNOTE 6.3, sections 4.3.7 to 4.3.16).
inline constexpr uint32_t kZipLocalSignature = 0x04034B50;
inline constexpr uint32_t kZipDirectorySignature = 0x02014B50;
inline constexpr uint32_t kZipEndSignature = 0x06054B50;
inline constexpr uint32_t kZip64EndSignature = 0x06064B50;
inline constexpr uint32_t kZip64LocatorSignature = 0x07064B50;

inline constexpr std::size_t kZipLocalBytes = 30;
inline constexpr std::size_t kZipDirectoryEntryBytes = 46;
inline constexpr std::size_t kZipEndBytes = 22;
inline constexpr std::size_t kZip64EndBytes = 56;
inline constexpr std::size_t kZip64LocatorBytes = 20;
inline constexpr std::size_t kZipMaxCommentBytes = 0xFFFF;

/// A field with this value has its true value in a zip64 record.
inline constexpr uint16_t kZipSeeZip64Short = 0xFFFF;
inline constexpr uint32_t kZipSeeZip64 = 0xFFFFFFFF;
inline constexpr uint16_t kZip64ExtraId = 0x0001;

inline constexpr uint16_t kZipStored = 0;
inline constexpr uint16_t kZipFlagEncrypted = 0x0001;

}  // namespace dstorch
