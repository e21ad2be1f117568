#include "ops/cpu/thread_pool.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <numeric>
#include <thread>
#include <vector>

namespace dstorch::ops::cpu {
namespace {

TEST(ThreadPool, DoesEachChunkOnceAndOnePhaseAfterTheOther) {
  for (const int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (int64_t count = 0; count < 200; ++count) {
      std::vector<int> first(static_cast<std::size_t>(count)), second(first);
      std::atomic<int> bad{0};
      const auto fill = [&](Worker worker, Chunks& chunks) {
        bad += worker.count != threads || worker.index < 0 || worker.index >= threads;
        for (int64_t i = 0; chunks.next(i);) ++first[static_cast<std::size_t>(i)];
      };
      const auto sum = [&](Worker, Chunks& chunks) {
        for (int64_t i = 0; chunks.next(i);) {
          second[static_cast<std::size_t>(i)] += std::accumulate(first.begin(), first.end(), 0);
        }
      };
      const auto check = [&](Worker, Chunks& chunks) {
        for (int64_t i = 0; chunks.next(i);) bad += second[static_cast<std::size_t>(i)] != count;
      };
      pool.run({{count, fill}, {count, sum}, {count, check}});
      ASSERT_EQ(bad, 0) << threads << " " << count;
      ASSERT_EQ(std::accumulate(second.begin(), second.end(), int64_t{0}), count * count);
    }
  }
}

/// Regions that follow each other at once, and regions that find everybody asleep.
TEST(ThreadPool, WakesWhoSleeps) {
  ThreadPool pool(3);
  std::atomic<int64_t> done{0};
  const auto work = [&](Worker, Chunks& chunks) {
    for (int64_t i = 0; chunks.next(i);) ++done;
  };
  for (int round = 0; round < 300; ++round) {
    pool.run({{5, work}, {2, work}});
    if (round % 3 == 0) std::this_thread::sleep_for(std::chrono::microseconds(20 * (round % 20)));
  }
  EXPECT_EQ(done, 300 * 7);
}

/// A chunk that waits for all others: they are taken from the run of whoever is stuck in it.
TEST(ThreadPool, OthersTakeTheChunksOfAWorkerThatIsStuck) {
  ThreadPool pool(2);
  for (int64_t stuck = 0; stuck < 20; ++stuck) {
    std::atomic<int64_t> others{0};
    const auto work = [&](Worker, Chunks& chunks) {
      for (int64_t i = 0; chunks.next(i);) {
        if (i == stuck) {
          while (others < 19) std::this_thread::yield();
        } else {
          ++others;
        }
      }
    };
    pool.run({{20, work}});
    EXPECT_EQ(others, 19);
  }
}

/// A worker that the system hardly ever lets run, as its processor is taken, holds nobody up.
TEST(ThreadPool, DoesNotWaitForAWorkerThatIsNotRunning) {
  cpu_set_t all, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
  if (CPU_COUNT(&all) < 2) {
    GTEST_SKIP() << "takes two processors";
  }
  int processor = CPU_SETSIZE - 1;
  while (!CPU_ISSET(processor, &all)) --processor;
  CPU_ZERO(&one);
  CPU_SET(processor, &one);
  ThreadPool pool(2);
  std::atomic<bool> pinned{false}, stop{false};
  const auto pin = [&](Worker worker, Chunks& chunks) {
    for (int64_t i = 0; chunks.next(i);) {
      if (worker.index == 1) {
        const sched_param none{};
        pinned = pthread_setaffinity_np(pthread_self(), sizeof(one), &one) == 0 &&
                 pthread_setschedparam(pthread_self(), SCHED_IDLE, &none) == 0;
      }
      while (!pinned) std::this_thread::yield();
    }
  };
  pool.run({{2, pin}});
  std::thread taken([&] {
    pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
    while (!stop) {
    }
  });
  CPU_CLR(processor, &all);
  pthread_setaffinity_np(pthread_self(), sizeof(all), &all);
  const auto begin = std::chrono::steady_clock::now();
  std::atomic<int64_t> done{0};
  const auto work = [&](Worker, Chunks& chunks) {
    for (int64_t i = 0; chunks.next(i);) ++done;
  };
  for (int i = 0; i < 20000; ++i) pool.run({{4, work}});
  const auto took = std::chrono::steady_clock::now() - begin;
  stop = true;
  taken.join();
  CPU_SET(processor, &all);
  pthread_setaffinity_np(pthread_self(), sizeof(all), &all);
  EXPECT_EQ(done, 80000);
  EXPECT_LT(took, std::chrono::seconds(10));
}

TEST(ThreadPool, ABusyPoolLeavesARegionToItsCaller) {
  ThreadPool pool(3);
  std::atomic<int64_t> inner{0};
  const auto count = [&](Worker worker, Chunks& chunks) {
    EXPECT_EQ(worker.index, 0);
    for (int64_t i = 0; chunks.next(i);) ++inner;
  };
  const auto nest = [&](Worker, Chunks& chunks) {
    for (int64_t i = 0; chunks.next(i);) pool.run({{10, count}});
  };
  pool.run({{7, nest}});
  EXPECT_EQ(inner, 70);
}

TEST(ThreadPool, SeveralThreadsMayUseOne) {
  ThreadPool pool(2);
  std::vector<std::thread> threads;
  std::atomic<int> bad{0};
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      const ThreadPool::Use use(pool);
      for (int i = 0; i < 2000; ++i) {
        std::atomic<int64_t> sum{0};
        parallel_for(100, 7, [&](int64_t begin, int64_t end) { sum += (end - begin) * (begin + end - 1) / 2; });
        bad += sum != 4950;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(bad, 0);
}

TEST(ThreadPool, UseHoldsForTheThreadAndNests) {
  auto& before = ThreadPool::current();
  ThreadPool a(2), b(3);
  {
    const ThreadPool::Use use_a(a);
    EXPECT_EQ(&ThreadPool::current(), &a);
    {
      const ThreadPool::Use use_b(b);
      EXPECT_EQ(&ThreadPool::current(), &b);
      std::thread([&] { EXPECT_EQ(&ThreadPool::current(), &before); }).join();
    }
    EXPECT_EQ(&ThreadPool::current(), &a);
  }
  EXPECT_EQ(&ThreadPool::current(), &before);
}

TEST(ThreadPool, ComesAndGoes) {
  for (int i = 0; i < 200; ++i) {
    ThreadPool pool(1 + i % 5);
    std::atomic<int64_t> done{0};
    const auto work = [&](Worker, Chunks& chunks) {
      for (int64_t c = 0; chunks.next(c);) ++done;
    };
    if (i % 2 == 0) pool.run({{i, work}});
    EXPECT_EQ(done, i % 2 == 0 ? i : 0);
  }
}

#ifndef __SANITIZE_THREAD__  // which makes no threads in a child
/// In a child nobody is left to help, nor to be waited for; a new pool has threads of its own.
TEST(ThreadPool, AChildDoesItAlone) {
  auto pool = std::make_unique<ThreadPool>(3);
  const auto sum_on = [](ThreadPool& on) {
    std::atomic<int64_t> sum{0};
    const auto add = [&](Worker, Chunks& chunks) {
      for (int64_t i = 0; chunks.next(i);) sum += i;
    };
    on.run({{100, add}, {100, add}});
    return sum.load();
  };
  for (const auto pause : {0, 20}) {  // for the others to fall asleep
    EXPECT_EQ(sum_on(*pool), 9900);
    std::this_thread::sleep_for(std::chrono::milliseconds(pause));
    const auto child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      alarm(20);  // instead of waiting for ever
      bool right = sum_on(*pool) == 9900;
      pool.reset();
      ThreadPool own(2);
      right = right && sum_on(own) == 9900;
      _exit(right ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0) << "after " << pause << " ms";
  }
}
#endif

}  // namespace
}  // namespace dstorch::ops::cpu
