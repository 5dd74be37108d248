#pragma once

// Reads recordings outside of the GUI's thread. The loader lives in a thread of its own, with SQLite
// connections of its own; what it gives away is never changed again. Of several requests of one kind that
// wait, only the newest is answered.

#include "db/database.hpp"
#include "gui/model/filter.hpp"
#include "gui/model/recording_data.hpp"

#include <QMetaType>
#include <QObject>
#include <QThread>
#include <atomic>
#include <map>
#include <memory>

namespace shadowtune::gui {

struct FileContents {
    std::string file;
    std::vector<db::RecordingInfo> recordings;
};

struct HeatmapRequest {
    RecordingKey key;
    Filter filter;
    std::vector<RecordingKey> others; // for the axes of several recordings; `key` is among them
};

struct HeatmapData {
    RecordingPtr recording;
    HeatmapMatrix matrix;
    std::vector<vmcs::FieldIndex> rows; // arranged
    TimelinePtr timeline{};             // where the columns are times
};
using HeatmapPtr = std::shared_ptr<const HeatmapData>;

inline constexpr std::size_t most_time_steps{512};

// The work itself, without threads.
class RecordingSource {
public:
    [[nodiscard]] Result<FileContents, db::Error> list(const std::string& file);
    [[nodiscard]] Result<RecordingPtr, db::Error> read(const RecordingKey& key, const Filter& filter);
    [[nodiscard]] Result<TimelinePtr, db::Error> timeline(const RecordingKey& key);
    [[nodiscard]] Result<HeatmapPtr, db::Error> heatmap(const HeatmapRequest& request);
    // How many snapshots the recording has by now.
    [[nodiscard]] Result<std::uint32_t, db::Error> snapshots(const RecordingKey& key);

private:
    [[nodiscard]] Result<db::Database*, db::Error> open(const std::string& file);

    std::map<std::string, std::unique_ptr<db::Database>> m_files;
    TimelinePtr m_timeline; // the last one read
};

class Loader : public QObject {
    Q_OBJECT
public:
    Loader();
    ~Loader() override;

    // All from the GUI's thread; each answers by a signal there.
    void list(const std::string& file);
    void heatmap(const HeatmapRequest& request);
    void timeline(const RecordingKey& key);
    // Two stretches of their own to compare; answered by `compared`.
    void compare(const RecordingKey& first, const RecordingKey& second);

    [[nodiscard]] bool is_busy() const { return m_waiting != 0; }

signals:
    void listed(const shadowtune::gui::FileContents& contents);
    void heatmap_ready(const shadowtune::gui::HeatmapPtr& heatmap);
    void timeline_ready(const shadowtune::gui::TimelinePtr& timeline);
    void compared(const shadowtune::gui::RecordingPtr& first, const shadowtune::gui::TimelinePtr& first_steps,
                  const shadowtune::gui::RecordingPtr& second,
                  const shadowtune::gui::TimelinePtr& second_steps);
    void failed(const QString& file, const QString& message);
    // Everything that was asked for is answered.
    void idle();

private:
    // Runs `work` on the loader's thread, unless a newer request of that kind has come.
    enum Kind : std::size_t { kind_list, kind_heatmap, kind_timeline, kind_compare, kind_count };
    template <typename Work>
    void post(Kind kind, Work work);
    void fail(const std::string& file, const db::Error& error);

    QThread m_thread;
    QObject* m_worker; // in m_thread
    RecordingSource m_source;
    std::array<std::atomic<std::uint64_t>, kind_count> m_newest{};
    int m_waiting{0}; // of the GUI's thread: what was asked for and not answered there yet
};

} // namespace shadowtune::gui

Q_DECLARE_METATYPE(shadowtune::gui::FileContents)
Q_DECLARE_METATYPE(shadowtune::gui::HeatmapPtr)
Q_DECLARE_METATYPE(shadowtune::gui::TimelinePtr)
Q_DECLARE_METATYPE(shadowtune::gui::RecordingPtr)
