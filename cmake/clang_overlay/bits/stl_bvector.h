// For clang only: as stl_vector.h, for vector<bool>.
#pragma GCC system_header
#pragma push_macro("_GLIBCXX20_CONSTEXPR")
#undef _GLIBCXX20_CONSTEXPR
#define _GLIBCXX20_CONSTEXPR
#include_next <bits/stl_bvector.h>
#pragma pop_macro("_GLIBCXX20_CONSTEXPR")
