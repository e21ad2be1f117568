#include "nn/kv_pool.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <set>

namespace dstorch::nn {
namespace {

KvLayout layout_of(std::initializer_list<int64_t> windows) {
  KvLayout layout;
  layout.kv_heads = 2;
  layout.head_dim = 8;
  for (const auto window : windows) {
    layout.add_layer(window);
  }
  return layout;
}

constexpr int64_t kPageBytes = 2 * 2 * 64 * 8 * 4;  // of one layer, float32

TEST(KvLayout, LayersThatSeeEquallyFarShareAGroup) {
  auto layout = layout_of({0, 100, 0});
  const auto slot = layout.add_layer(100);
  EXPECT_EQ(slot.group, 1U);
  EXPECT_EQ(slot.index, 1);
  ASSERT_EQ(layout.groups.size(), 2U);
  EXPECT_EQ(layout.groups[0].layers, 2);
  EXPECT_EQ(layout.page_bytes(0, at::kFloat), 2 * kPageBytes);
  EXPECT_EQ(layout.page_bytes(1, at::kHalf), kPageBytes);
}

TEST(KvLayout, SaysTheMostPagesASequenceHas) {
  const auto layout = layout_of({0, 100});
  EXPECT_EQ(layout.sequence_pages(0, 64, 32), 1);
  EXPECT_EQ(layout.sequence_pages(0, 65, 32), 2);
  EXPECT_EQ(layout.sequence_pages(1, 65, 32), 2);
  EXPECT_EQ(layout.sequence_bytes(1000, 32, at::kFloat), (16 + layout.sequence_pages(1, 1000, 32)) * kPageBytes);
  // However the sequence goes through, it never has more; and as many it may have.
  for (const int64_t piece : {1, 7, 32, 64, 256}) {
    int64_t most = 0;
    for (int64_t first = 1; first <= piece; ++first) {
      KvPool pool(layout, at::kFloat, 0);
      SequencePages pages(pool);
      for (int64_t position = 0, end = first; position < 1000; position = end, end += piece) {
        pages.prepare(position, std::min<int64_t>(1000, end));
        most = std::max(most, pages.count());
      }
    }
    EXPECT_EQ(most, 16 + layout.sequence_pages(1, 1000, piece)) << piece;
  }
}

TEST(KvPool, APageIsThereAsLongAsSomebodyHoldsIt) {
  KvPool pool(layout_of({0}), at::kFloat, 0);
  auto page = pool.take(0);
  EXPECT_EQ(pool.pages_in_use(), 1);
  EXPECT_EQ(pool.bytes(), kPageBytes);
  {
    const auto copy = page;
    EXPECT_EQ(copy.id(), page.id());
    EXPECT_EQ(pool.references(page), 2);
    page = PageRef();
    EXPECT_EQ(pool.references(copy), 1);
    EXPECT_EQ(pool.pages_in_use(), 1);
  }
  EXPECT_EQ(pool.pages_in_use(), 0);
  EXPECT_EQ(pool.bytes(), 0);
}

TEST(KvPool, KeepsNoMoreFreePagesThanItWasTold) {
  KvPool pool(layout_of({0}), at::kFloat, 2 * kPageBytes);
  {
    const auto first = pool.take(0), second = pool.take(0);
    EXPECT_NE(first.id(), second.id());
  }
  EXPECT_EQ(pool.bytes(), 2 * kPageBytes) << "kept";
  const auto address = pool.groups()[0].addresses[0];
  {
    std::vector<PageRef> pages;
    std::set<int32_t> ids;
    for (int i = 0; i < 3; ++i) {
      pages.push_back(pool.take(0));
      ids.insert(pages.back().id());
    }
    EXPECT_EQ(ids.size(), 3U);
    EXPECT_EQ(pool.groups()[0].addresses[0], address) << "used again";
  }
  EXPECT_LE(pool.bytes(), 2 * kPageBytes);
  pool.trim();
  EXPECT_EQ(pool.bytes(), 0);
  const auto id = pool.take(0).id();
  EXPECT_EQ(pool.take(0).id(), id) << "ids are used again too";
}

TEST(KvPool, PagesAreApart) {
  KvPool pool(layout_of({0, 0}), at::kBFloat16, 0);
  const auto first = pool.take(0), second = pool.take(0);
  const auto& group = pool.groups()[0];
  const auto& tensor = group.pages[static_cast<std::size_t>(first.id())];
  EXPECT_EQ(tensor.sizes(), (at::IntArrayRef{2, 2, 2, 64, 8}));
  EXPECT_EQ(tensor.scalar_type(), at::kBFloat16);
  EXPECT_EQ(group.addresses[static_cast<std::size_t>(first.id())], tensor.data_ptr());
  EXPECT_NE(tensor.data_ptr(), group.pages[static_cast<std::size_t>(second.id())].data_ptr());
}

TEST(SequencePages, LetsGoOfWhatAWindowHasPassed) {
  KvPool pool(layout_of({0, 70}), at::kFloat, 0);
  SequencePages pages(pool);
  pages.prepare(0, 200);
  EXPECT_EQ(pages.count(), 8);
  pages.prepare(133, 200);  // sees 64 .. 133
  EXPECT_EQ(pages.ids()[1][0], -1);
  EXPECT_GE(pages.ids()[1][1], 0);
  EXPECT_GE(pages.ids()[0][0], 0) << "the other layers see all";
  pages.prepare(197, 198);  // sees 128 .. 197
  EXPECT_EQ(pages.ids()[1][1], -1);
  EXPECT_GE(pages.ids()[1][2], 0);
  EXPECT_EQ(pages.count(), 6);
  EXPECT_EQ(pool.pages_in_use(), 6);
}

}  // namespace
}  // namespace dstorch::nn
